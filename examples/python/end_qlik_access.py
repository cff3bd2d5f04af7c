"""Ends a user's access to Qlik Cloud. Python 3.9 or later, standard library only."""

import base64
import email.utils
import errno
import hashlib
import hmac
import http.client
import json
import os
import random
import time
import urllib.parse
import uuid
from datetime import datetime, timezone

_URL = urllib.parse.urlsplit(os.environ["CURFEW_URL"])
if _URL.scheme not in ("http", "https"):
    raise ValueError("Set CURFEW_URL, for example to https://curfew.internal.")
_CONNECTION = http.client.HTTPSConnection if _URL.scheme == "https" else http.client.HTTPConnection
_PATH = _URL.path.rstrip("/") + "/logout-hook"
_SECRET = os.environ["WEBHOOK_SECRET"]
_KEY = base64.b64decode(_SECRET[len("whsec_") :] if _SECRET.startswith("whsec_") else _SECRET)

_FIRST_WAIT = 0.25
_MAX_ANSWER_BYTES = 64 * 1024


def end_qlik_access(user, reason="logout", occurred_at=None, webhook_id=None, attempts=5, timeout=3, total=15):
    """Ends the user's access. Returns once Curfew has stored the request; the revocation follows.

    Destroy the local session first, then call this function. It does not raise if Curfew is unreachable or rejects the
    request: check "ok", and alert on a failure, because the user then keeps access. The result has no personal data.

    Network errors, timeouts, 5xx and 429 are retried with the same body and the same webhook-id. Therefore a retry
    after a lost answer is not a second logout, and a retry that arrives late does not end a later login.

    Retries are lost if the process is killed. An outbox makes them durable: in the transaction that ends the session,
    insert a row with the user, reason, occurred_at and a webhook_id. A worker calls this function with these values
    until the result is ok, then deletes the row.

    user: a dict with exactly one of "userId" (Qlik's), "subject" (the identity provider's) and "email".
    reason: "logout", "session-expired" or "security".
    occurred_at: a datetime, when the session ended; now by default. Access granted more than 5 s later is kept, except
        for "security", which ends all access.
    webhook_id: a new one by default. Curfew remembers it for three days. The same id with the same user, reason and
        time is the same logout.
    attempts: maximum number of attempts.
    timeout: seconds for each connect and each read. total: seconds after which no attempt starts.

    Returns {"ok": True, "revocationId", "webhookId", "attempts"}, or {"ok": False, "code", "webhookId", "attempts"}.
    The code is Curfew's (docs/errors.md), the network's ("ECONNREFUSED", "TIMEOUT", ...), or "HTTP_" and the status if
    the answer is not from Curfew.
    """
    deadline = time.monotonic() + total
    occurred_at = (occurred_at or datetime.now(timezone.utc)).astimezone(timezone.utc)
    webhook_id = webhook_id or f"msg_{uuid.uuid4()}"
    name = {key: user[key] for key in ("userId", "subject", "email") if user.get(key)}
    content = {**name, "reason": reason, "occurredAt": occurred_at.isoformat(timespec="milliseconds")}
    body = json.dumps(content).encode()

    attempt = 1
    while True:
        answer = _send(webhook_id, body, max(0.001, min(timeout, deadline - time.monotonic())))
        result = {"webhookId": webhook_id, "attempts": attempt}
        if answer["revocation_id"]:
            return {"ok": True, "revocationId": answer["revocation_id"], **result}
        # Half of the backoff plus a random part of the other half, and at least as long as Curfew asks.
        backoff = _FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.5, 1)
        wait = max(backoff, answer["retry_after"])
        if not answer["temporary"] or attempt == attempts or time.monotonic() + wait >= deadline:
            return {"ok": False, "code": answer["code"], **result}
        time.sleep(wait)
        attempt += 1


def _send(webhook_id, body, timeout):
    """One attempt, signed with the current time (Standard Webhooks). Curfew rejects signatures older than 5 minutes."""
    timestamp = str(int(time.time()))
    digest = hmac.new(_KEY, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    # Not urllib.request: it follows a redirect with a GET.
    connection = _CONNECTION(_URL.hostname, _URL.port, timeout=timeout)
    try:
        connection.request("POST", _PATH, body, headers)
        response = connection.getresponse()
        answer = _parse(response.read(_MAX_ANSWER_BYTES))
    except (OSError, http.client.HTTPException) as error:
        return {"revocation_id": None, "code": _network_code(error), "temporary": True, "retry_after": 0}
    finally:
        connection.close()
    status, revocation_id, code = response.status, answer.get("id"), answer.get("code")
    return {
        # A 2xx without an id is not from Curfew.
        "revocation_id": revocation_id if 200 <= status < 300 and isinstance(revocation_id, str) else None,
        "code": code if isinstance(code, str) else f"HTTP_{status}",
        "temporary": status >= 500 or status == 429,
        "retry_after": _retry_after(response.getheader("Retry-After", "0")),
    }


def _parse(content):
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_after(header):
    """Seconds, or a date (RFC 9110, section 10.2.3)."""
    try:
        return int(header) if header.isdigit() else email.utils.parsedate_to_datetime(header).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0


def _network_code(error):
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "TIMEOUT"
    return errno.errorcode.get(getattr(error, "errno", None), type(error).__name__)

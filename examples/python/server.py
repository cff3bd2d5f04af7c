"""http.server with sessions in memory, for demonstration. log_out is the part to copy.

In Flask or Django, the logout view calls the same function: end the session (session.clear() or logout(request)), then
start the thread, then return the redirect.
"""

import json
import os
import secrets
import signal
import sys
import threading
from datetime import datetime, timezone
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from end_qlik_access import end_qlik_access

DEMO_USER = os.environ.get("DEMO_USER")
COOKIE = "HttpOnly; SameSite=Lax; Path=/"  # and "Secure", with TLS

sessions = {}  # Stands in for your session store.


def log_out(sid):
    occurred_at = datetime.now(timezone.utc)
    session = sessions.pop(sid, None)
    if session:
        # In a thread, so that the user does not wait for Curfew. Not a daemon, which would end with
        # the main thread; ThreadingHTTPServer's own threads are daemons, and threads inherit that.
        end = threading.Thread(target=end_access, args=(session["user"], occurred_at), daemon=False)
        end.start()


def end_access(user, occurred_at):
    result = end_qlik_access(user, reason="logout", occurred_at=occurred_at)
    if not result["ok"]:
        print(json.dumps({"msg": "Qlik access not ended", **result}), file=sys.stderr, flush=True)


def log_in(email):
    """Stands in for your login. It signs in DEMO_USER without a password, so do not copy it."""
    sid = secrets.token_urlsafe(32)
    sessions[sid] = {"user": {"email": email}}
    return sid


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, "signed in" if self.sid() in sessions else "signed out")

    def do_POST(self):
        if self.path == "/logout":
            log_out(self.sid())
            self.answer(303, cookie=f"sid=; Max-Age=0; {COOKIE}")
        elif self.path == "/login" and DEMO_USER:
            self.answer(303, cookie=f"sid={log_in(DEMO_USER)}; {COOKIE}")
        else:
            self.answer(404)

    def sid(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("sid")
        return cookie.value if cookie else None

    def answer(self, status, text="", cookie=None):
        self.send_response(status)
        if status == 303:
            self.send_header("Location", "/")
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler)
    # Python exits when the last retry has ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()

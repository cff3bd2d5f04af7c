# Builds the service, and with another command the sandbox tenant: see docker-compose.yml.
#
# `node:24-slim` follows the patches of Node 24 LTS. For builds that can be repeated byte by byte, pin what was
# tested, in both stages: node:24-slim@sha256:<digest>, as `docker buildx imagetools inspect node:24-slim` tells.

FROM node:24-slim AS build
WORKDIR /app
# Before the sources, so that a change of the sources does not install again.
COPY package.json package-lock.json ./
# No package needs its install script to run in production, so none gets to run.
RUN npm ci --omit=dev --ignore-scripts
COPY src ./src
# Readable by everyone, writable by root alone, whatever umask the working copy was made with.
RUN chmod -R u=rwX,go=rX package.json src

FROM node:24-slim
LABEL org.opencontainers.image.title="Curfew" \
      org.opencontainers.image.description="When a user logs out of your app, their Qlik Cloud access ends too." \
      org.opencontainers.image.licenses="MIT"

# HOST: a container has a network of its own, and only what is published reaches it.
# SQLITE_TMPDIR: with a read-only root there is no other place for SQLite's temporary files.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATABASE_URL=sqlite:/data/curfew.db \
    SQLITE_TMPDIR=/data

# All that is ever written. A volume takes owner and mode from here when it is new.
RUN install -d -o node -g node -m 0700 /data

WORKDIR /app
# Owned by root: whoever takes over the process cannot change what it runs.
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/package.json ./
COPY --from=build /app/src ./src

USER node
VOLUME /data
EXPOSE 3000

# Live, not ready: an orchestrator restarts what is unhealthy. What makes the service unready (a role that is
# missing, a full disk) is not mended by a restart, and a service that is live still takes signals.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["node", "src/commands/healthcheck.ts"]

# The base image's entry point is a shell script; this one starts Node itself, which gets SIGTERM as it is sent
# and ends in order within SHUTDOWN_GRACE_MS.
ENTRYPOINT []
CMD ["node", "src/main.ts"]

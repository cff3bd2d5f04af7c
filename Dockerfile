# The image of the service and, with another command, of the sandbox tenant: see docker-compose.yml.
#
# `node:24-slim` follows the patch releases of Node 24 LTS. For reproducible builds, pin the digest that you tested in
# both stages: node:24-slim@sha256:<digest>. `docker buildx imagetools inspect node:24-slim` prints it.

FROM node:24-slim AS build
WORKDIR /app
# Copied before the sources, so that a source change does not reinstall the packages.
COPY package.json package-lock.json ./
# No package needs its install script in production, so none runs.
RUN npm ci --omit=dev --ignore-scripts
COPY src ./src
# Readable by everyone, writable by root only, regardless of the umask of the working copy.
RUN chmod -R u=rwX,go=rX package.json src
# Compiled code without types: without it, each start strips the types, and 20 MB more stay resident. Valid for this user and the
# flags of CMD. Without a configuration, the service loads everything, and exits with 78.
USER node
RUN export NODE_COMPILE_CACHE=/tmp/compiled; \
    node --disable-sigusr1 --max-semi-space-size=8 --heap-growing-percent=30 src/main.ts || [ $? = 78 ]; \
    chmod -R u=rwX,go=rX /tmp/compiled

FROM node:24-slim
LABEL org.opencontainers.image.title="Curfew" \
      org.opencontainers.image.description="When a user logs out of your app, their Qlik Cloud access ends too." \
      org.opencontainers.image.licenses="MIT"

# HOST: a container has its own network, and only published ports are reachable.
# SQLITE_TMPDIR: with a read-only root, SQLite can write temporary files nowhere else.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/compiled \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATABASE_URL=sqlite:/data/curfew.db \
    SQLITE_TMPDIR=/data

# The only folder that Curfew writes to. A new volume takes its owner and mode.
RUN install -d -o node -g node -m 0700 /data

WORKDIR /app
# Owned by root: a compromised process cannot change its code.
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/package.json ./
COPY --from=build /app/src ./src
COPY --from=build /tmp/compiled ./compiled

USER node
VOLUME /data
EXPOSE 3000

# Liveness, not readiness: orchestrators restart unhealthy containers. A restart does not fix the causes of an unready
# service (a missing role, a full disk), and a live service still accepts signals.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["node", "src/commands/healthcheck.ts"]

# Replaces the base image's entry point, a shell script: Node receives SIGTERM directly and shuts down gracefully
# within SHUTDOWN_GRACE_MS.
ENTRYPOINT []
# --disable-sigusr1: otherwise SIGUSR1 opens a debugger, to which anyone on the loopback interface of the container can
# connect. The other flags keep less garbage in memory: docs/scaling.md.
CMD ["node", "--disable-sigusr1", "--max-semi-space-size=8", "--heap-growing-percent=30", "src/main.ts"]

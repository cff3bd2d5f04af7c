-- The role that Curfew works as, and its database. Run once by a superuser, with psql:
--   psql -v password='…' -f role.sql
-- The container of docker-compose.yml runs it when its volume is new; there the password comes from the same file
-- as the replicas' DATABASE_URL.
\if :{?password}
\else
  \set password `sed -E 's|^[a-z]+://[^:]+:([^@]+)@.*|\1|' /run/secrets/database-url`
\endif

-- Not a superuser, and may neither make roles nor databases.
CREATE ROLE curfew LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;

-- Its owner: migrations make the schemas of Curfew and of its job queue at the start, and change them later.
CREATE DATABASE curfew OWNER curfew;

-- Nobody else gets in.
REVOKE ALL ON DATABASE curfew FROM PUBLIC;

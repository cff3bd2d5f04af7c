-- Creates Curfew's role and its database. Run it once as a superuser, with psql:
--   psql -v password='…' -f role.sql
-- The container in docker-compose.yml runs it when its volume is new. The password then comes from the file with the
-- replicas' DATABASE_URL.
\if :{?password}
\else
  \set password `sed -E 's|^[a-z]+://[^:]+:([^@]+)@.*|\1|' /run/secrets/database-url`
\endif

-- Not a superuser, and cannot create roles or databases.
CREATE ROLE curfew LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;

-- Owned by the role, because migrations create and change the schemas of Curfew and of its job queue.
CREATE DATABASE curfew OWNER curfew;

-- By default, every role can connect.
REVOKE ALL ON DATABASE curfew FROM PUBLIC;

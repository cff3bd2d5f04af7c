-- Creates Curfew's role and its database. Run it once as a superuser, with psql:
--   DATABASE_URL_FILE=<path> psql -f role.sql
-- The password comes from the file with the replicas' DATABASE_URL: every user of a machine can read arguments. The
-- container in docker-compose.yml runs the script when its volume is new.
\set password `sed -E 's|^[a-z]+://[^:]+:([^@]+)@.*|\1|' "${DATABASE_URL_FILE:-/run/secrets/database-url}"`

-- Not a superuser, and cannot create roles or databases.
CREATE ROLE curfew LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;

-- Owned by the role, because migrations create and change the schemas of Curfew and of its job queue.
CREATE DATABASE curfew OWNER curfew;

-- By default, every role can connect.
REVOKE ALL ON DATABASE curfew FROM PUBLIC;

-- Requests that came with an idempotency key, and what they were answered. Of a key and of a body only
-- the SHA-256 is kept.

-- `occasion` is another one whenever the key is used for the first time, or anew; what the request
-- causes is named by it. While the request is answered `held_until` says until when it is believed to
-- be; then `status`, `headers` and `answer` are set, and it is NULL.
create table keyed_requests (
  scope bytea primary key check (length(scope) = 32),
  body bytea not null check (length(body) = 32),
  occasion uuid not null,
  begun_at timestamptz not null,
  held_until timestamptz,
  status smallint,
  headers json,
  answer bytea,
  check ((status is null) = (held_until is not null)),
  check ((status is null) = (headers is null) and (status is null) = (answer is null))
);
create index keyed_requests_begun_at on keyed_requests (begun_at);

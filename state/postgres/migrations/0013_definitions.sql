-- What users define through an API: events with schemas, templates with a life, properties of contacts.
-- Each list is read newest first, a page at a time, along its index of (created_at, id).

-- --- events ---------------------------------------------------------------------------------------

-- What an event of a name must carry; events of other names carry what they like. updated_at is NULL
-- until something is changed.
create table event_definitions (
  event_id uuid primary key default gen_random_uuid(),
  name text not null unique,
  schema json,
  created_at timestamptz not null,
  updated_at timestamptz
);
create index event_definitions_created_at on event_definitions (created_at, event_id);

-- --- properties of contacts -----------------------------------------------------------------------

create table contact_properties (
  property_id uuid primary key default gen_random_uuid(),
  key text not null unique,
  type text not null check (type in ('string', 'number')),
  fallback json,
  created_at timestamptz not null
);
create index contact_properties_created_at on contact_properties (created_at, property_id);

-- --- templates ------------------------------------------------------------------------------------

-- `draft` is what the author is at, `definition` what was last published, NULL before. The two version
-- ids differ while the draft has changes that are not published. What files apply is published at once.
alter table templates
  add column template_id uuid,
  add column version_id uuid,
  add column published_version_id uuid,
  add column name text,
  add column draft json,
  add column created_at timestamptz,
  add column published_at timestamptz;
update templates set
  template_id = gen_random_uuid(), version_id = gen_random_uuid(), name = alias, draft = definition,
  created_at = updated_at, published_at = updated_at;
update templates set published_version_id = version_id;
alter table templates drop constraint templates_pkey;
alter table templates
  alter column alias drop not null,
  alter column definition drop not null,
  alter column template_id set not null,
  alter column template_id set default gen_random_uuid(),
  alter column version_id set not null,
  alter column version_id set default gen_random_uuid(),
  alter column name set not null,
  alter column draft set not null,
  alter column created_at set not null,
  add constraint templates_published check (
    (definition is null) = (published_at is null)
    and (definition is null) = (published_version_id is null)
  );
alter table templates add primary key (template_id);
alter table templates add constraint templates_alias unique (alias);
create index templates_created_at on templates (created_at, template_id) where kind = 'email';

-- --- segments and topics --------------------------------------------------------------------------

create index segments_created_at on segments (created_at, segment_id);

-- A public topic is shown to everybody who may choose, a private one to those who have chosen it.
alter table subscription_topics
  add column visibility text not null default 'private' check (visibility in ('public', 'private'));
create index subscription_topics_created_at on subscription_topics (created_at, topic_id);

-- --- automations ----------------------------------------------------------------------------------

create index automations_created_at on automations (created_at, automation_id)
  where deleted_at is null;
create index automations_status on automations (is_enabled, created_at, automation_id)
  where deleted_at is null;

-- Templates that a version took from those stored, by the ids or aliases that its steps name: when an
-- automation is enabled through an API, they are taken as they are published then.
alter table versions add column stored_templates text[] not null default '{}';

-- The members of a segment, read the last to join first, a page at a time. Contacts are read along their
-- primary key: another index would cost every new contact its log record.
create index segment_members_added_at on segment_members (segment_id, added_at, contact_id);

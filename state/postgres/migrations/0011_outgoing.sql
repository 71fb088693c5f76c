-- What is to be published is taken topic by topic, so that one that cannot be written to keeps nothing
-- from the others (rule S6). Locks `kafka_outbox` against writing for a moment.
create index kafka_outbox_topic on kafka_outbox (topic, id);

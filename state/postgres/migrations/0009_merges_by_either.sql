-- The log of merges is found by the merged contact too: once a merge was undone, nothing else leads
-- there from its side (rule I3). Locks `merges` against writing while its rows are read: turns that
-- merge wait for it, and no others.
create index merges_merged on merges (merged, merged_at);

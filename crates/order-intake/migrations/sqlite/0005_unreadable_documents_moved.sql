-- Documents of the ERP that cannot be read stand in the table that all services share (`operations`, migrated before this one). The old
-- table stays for one more release: a neighbour of the version before still writes it. Its ids were `<entity>/<system id>`.
INSERT INTO erp_unreadable (erp, flow, entity, system_id, reason, times_seen, first_seen_at, last_seen_at)
SELECT erp, 'documents', 'document', REPLACE(id, 'document/', ''), reason, 1, seen_at, seen_at
FROM unreadable_documents;

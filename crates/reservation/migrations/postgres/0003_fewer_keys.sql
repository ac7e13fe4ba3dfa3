-- Most reservations are written often before goods are put aside, and only then have a document.
DROP INDEX reservations_by_document;
CREATE INDEX reservations_by_document ON reservations (channel, store, document_number) WHERE document_number <> '';

INSERT INTO return_reasons (erp, code, language, description) VALUES ($1, $2, $3, $4)
ON CONFLICT (erp, code, language) DO UPDATE SET description = excluded.description

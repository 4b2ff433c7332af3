-- Clients in all.
SELECT count(*) AS clientes
FROM clientoutput

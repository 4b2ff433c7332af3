-- Total number of clients.
SELECT count(*) AS clientes
FROM clientoutput

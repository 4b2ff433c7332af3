-- The five states with the most clients, from clientoutput_anonima: without suppressed clients, and none while the table has regions instead.
SELECT
  uf AS estado,
  CAST(sum(clientes) AS bigint) AS clientes
FROM clientoutput_anonima
WHERE uf NOT IN ('*', 'N/A')
GROUP BY uf
ORDER BY clientes DESC, estado
LIMIT 5

-- The five states with the most clients, from clientoutput_anonima: without suppressed clients; regions while the table has no states.
SELECT
  CASE WHEN uf = '*' THEN regiao ELSE uf END AS estado,
  CAST(sum(clientes) AS bigint) AS clientes
FROM clientoutput_anonima
WHERE regiao NOT IN ('*', 'N/A')
GROUP BY CASE WHEN uf = '*' THEN regiao ELSE uf END
ORDER BY clientes DESC, estado
LIMIT 5

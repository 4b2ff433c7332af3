-- Clients by sexo: F, M, or N/A if unknown.
SELECT
  sexo,
  count(*) AS clientes,
  round(100e0 * count(*) / sum(count(*)) OVER (), 2) AS percentual
FROM clientoutput
GROUP BY sexo
ORDER BY clientes DESC, sexo

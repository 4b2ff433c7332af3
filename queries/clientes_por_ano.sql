-- Clients registered per year after 2020, without future times.
SELECT
  year(data_cadastro) AS ano,
  count(*) AS clientes
FROM clientoutput
WHERE data_cadastro >= TIMESTAMP '2021-01-01 00:00:00'
  AND data_cadastro < current_date + INTERVAL '1' DAY
GROUP BY year(data_cadastro)
ORDER BY ano

-- Latest registration of each convênio, without future times.
SELECT
  convenio,
  max(data_cadastro) AS ultimo_cadastro,
  count(*) AS clientes
FROM clientoutput
WHERE data_cadastro < current_date + INTERVAL '1' DAY
GROUP BY convenio
ORDER BY ultimo_cadastro DESC, convenio

-- Distribution of clients by convênio, without SUS.
SELECT
  convenio,
  count(*) AS clientes,
  round(100e0 * count(*) / sum(count(*)) OVER (), 2) AS percentual
FROM clientoutput
WHERE convenio <> 'SUS'
GROUP BY convenio
ORDER BY clientes DESC, convenio

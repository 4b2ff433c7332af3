-- Distribution of clients by convênio, without SUS, from clientoutput_anonima; suppressed clients, SUS's included, are Suprimidos.
SELECT
  CASE WHEN convenio = '*' THEN 'Suprimidos' ELSE convenio END AS convenio,
  CAST(sum(clientes) AS bigint) AS clientes,
  round(100e0 * sum(clientes) / sum(sum(clientes)) OVER (), 2) AS percentual
FROM clientoutput_anonima
WHERE convenio <> 'SUS'
GROUP BY convenio
ORDER BY clientes DESC, convenio

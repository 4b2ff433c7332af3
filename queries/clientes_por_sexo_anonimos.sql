-- Clients by sexo, from clientoutput_anonima: F, M, N/A if unknown, or Suprimidos.
SELECT
  CASE WHEN sexo = '*' THEN 'Suprimidos' ELSE sexo END AS sexo,
  CAST(sum(clientes) AS bigint) AS clientes,
  round(100e0 * sum(clientes) / sum(sum(clientes)) OVER (), 2) AS percentual
FROM clientoutput_anonima
GROUP BY sexo
ORDER BY clientes DESC, sexo

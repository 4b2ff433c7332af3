-- k-anonymity: the smallest class and the clients in classes under five, with and without the name, and in clientoutput_anonima.
WITH classes AS (
  SELECT 'clientoutput, com nome' AS tabela, count(*) AS clientes
  FROM clientoutput
  GROUP BY convenio, sexo, estado, data_nascimento, nome_completo
  UNION ALL
  SELECT 'clientoutput, sem nome' AS tabela, count(*) AS clientes
  FROM clientoutput
  GROUP BY convenio, sexo, estado, data_nascimento
  UNION ALL
  SELECT 'clientoutput_anonima' AS tabela, clientes
  FROM clientoutput_anonima
)
SELECT
  tabela,
  count(*) AS classes,
  min(clientes) AS menor_classe,
  CAST(sum(clientes) AS bigint) AS clientes,
  round(100e0 * sum(CASE WHEN clientes < 5 THEN clientes ELSE 0 END) / sum(clientes), 2) AS percentual_abaixo_de_5
FROM classes
GROUP BY tabela
ORDER BY tabela

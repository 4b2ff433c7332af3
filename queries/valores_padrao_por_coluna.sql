-- Share of clients with the default value, by column; masked columns are not included.
WITH contagens AS (
  SELECT
    count(*) AS clientes,
    count_if(nome_completo = 'N/A') AS nome_completo,
    count_if(convenio = 'N/A') AS convenio,
    count_if(data_nascimento = DATE '1970-01-01') AS data_nascimento,
    count_if(sexo = 'N/A') AS sexo,
    count_if(numero = 0) AS numero,
    count_if(estado = 'N/A') AS estado,
    count_if(data_cadastro = TIMESTAMP '1970-01-01 00:00:00') AS data_cadastro
  FROM clientoutput
),
colunas AS (
  SELECT 'nome_completo' AS coluna, nome_completo AS valores_padrao, clientes FROM contagens
  UNION ALL
  SELECT 'convenio', convenio, clientes FROM contagens
  UNION ALL
  SELECT 'data_nascimento', data_nascimento, clientes FROM contagens
  UNION ALL
  SELECT 'sexo', sexo, clientes FROM contagens
  UNION ALL
  SELECT 'numero', numero, clientes FROM contagens
  UNION ALL
  SELECT 'estado', estado, clientes FROM contagens
  UNION ALL
  SELECT 'data_cadastro', data_cadastro, clientes FROM contagens
)
SELECT
  coluna,
  valores_padrao,
  round(100e0 * valores_padrao / nullif(clientes, 0), 2) AS percentual
FROM colunas
ORDER BY valores_padrao DESC, coluna

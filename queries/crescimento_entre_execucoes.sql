-- Growth by convênio since the previously published run; in Athena, replace 0 with a snapshot_id from execucoes_publicadas.
WITH atual AS (
  SELECT convenio, count(*) AS clientes FROM clientoutput GROUP BY convenio
),
anterior AS (
  SELECT convenio, count(*) AS clientes FROM clientoutput FOR VERSION AS OF 0 GROUP BY convenio
)
SELECT
  coalesce(atual.convenio, anterior.convenio) AS convenio,
  coalesce(anterior.clientes, 0) AS clientes_antes,
  coalesce(atual.clientes, 0) AS clientes,
  coalesce(atual.clientes, 0) - coalesce(anterior.clientes, 0) AS variacao,
  round(100e0 * (coalesce(atual.clientes, 0) - anterior.clientes) / anterior.clientes, 2) AS variacao_percentual
FROM atual
FULL OUTER JOIN anterior ON anterior.convenio = atual.convenio
ORDER BY convenio

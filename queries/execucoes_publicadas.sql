-- Published runs, oldest first, with the number of clients and the growth since the previous run.
WITH execucoes AS (
  SELECT
    CAST(snapshots.committed_at AS timestamp(3)) AS publicada_em,
    element_at(snapshots.summary, 'pipeline.run-id') AS run_id,
    snapshots.snapshot_id,
    CAST(element_at(snapshots.summary, 'total-records') AS bigint) AS clientes
  FROM "clientoutput$snapshots" AS snapshots
  JOIN "clientoutput$history" AS history ON history.snapshot_id = snapshots.snapshot_id
  WHERE history.is_current_ancestor
    AND element_at(snapshots.summary, 'pipeline.run-id') IS NOT NULL
)
SELECT
  publicada_em,
  run_id,
  snapshot_id,
  clientes,
  clientes - lag(clientes) OVER (ORDER BY publicada_em, snapshot_id) AS variacao,
  round(
    100e0 * (clientes - lag(clientes) OVER (ORDER BY publicada_em, snapshot_id))
    / nullif(lag(clientes) OVER (ORDER BY publicada_em, snapshot_id), 0),
    2
  ) AS variacao_percentual
FROM execucoes
ORDER BY publicada_em, snapshot_id

-- Registrations per month and the change from the previous month, without missing and future times.
WITH meses AS (
  SELECT
    CAST(date_trunc('month', data_cadastro) AS date) AS mes,
    count(*) AS clientes
  FROM clientoutput
  WHERE data_cadastro > TIMESTAMP '1970-01-01 00:00:00'
    AND data_cadastro < current_date + INTERVAL '1' DAY
  GROUP BY CAST(date_trunc('month', data_cadastro) AS date)
)
SELECT
  atual.mes,
  atual.clientes,
  anterior.clientes AS mes_anterior,
  atual.clientes - anterior.clientes AS variacao,
  round(100e0 * (atual.clientes - anterior.clientes) / anterior.clientes, 2) AS variacao_percentual
FROM meses AS atual
LEFT JOIN meses AS anterior ON anterior.mes = atual.mes - INTERVAL '1' MONTH
ORDER BY atual.mes

-- Clients by region of Brazil and convênio; the region of an unknown state is N/A.
WITH clientes AS (
  SELECT
    convenio,
    CASE
      WHEN estado IN ('AC', 'AM', 'AP', 'PA', 'RO', 'RR', 'TO') THEN 'Norte'
      WHEN estado IN ('AL', 'BA', 'CE', 'MA', 'PB', 'PE', 'PI', 'RN', 'SE') THEN 'Nordeste'
      WHEN estado IN ('DF', 'GO', 'MS', 'MT') THEN 'Centro-Oeste'
      WHEN estado IN ('ES', 'MG', 'RJ', 'SP') THEN 'Sudeste'
      WHEN estado IN ('PR', 'RS', 'SC') THEN 'Sul'
      ELSE 'N/A'
    END AS regiao
  FROM clientoutput
)
SELECT
  regiao,
  convenio,
  count(*) AS clientes,
  round(100e0 * count(*) / sum(count(*)) OVER (PARTITION BY regiao), 2) AS percentual
FROM clientes
GROUP BY regiao, convenio
ORDER BY regiao, clientes DESC, convenio

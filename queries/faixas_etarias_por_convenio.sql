-- Age groups by convênio, as of today; N/A if the date of birth is missing or in the future.
WITH clientes AS (
  SELECT
    convenio,
    CASE
      WHEN data_nascimento = DATE '1970-01-01' OR data_nascimento > current_date THEN 'N/A'
      WHEN data_nascimento > current_date - INTERVAL '19' YEAR THEN '00-18'
      WHEN data_nascimento > current_date - INTERVAL '29' YEAR THEN '19-28'
      WHEN data_nascimento > current_date - INTERVAL '39' YEAR THEN '29-38'
      WHEN data_nascimento > current_date - INTERVAL '49' YEAR THEN '39-48'
      WHEN data_nascimento > current_date - INTERVAL '59' YEAR THEN '49-58'
      ELSE '59+'
    END AS faixa_etaria
  FROM clientoutput
)
SELECT
  convenio,
  faixa_etaria,
  count(*) AS clientes,
  round(100e0 * count(*) / sum(count(*)) OVER (PARTITION BY convenio), 2) AS percentual
FROM clientes
GROUP BY convenio, faixa_etaria
ORDER BY convenio, faixa_etaria

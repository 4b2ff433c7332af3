-- The five states with the most clients; values that are not Brazilian states are left out.
SELECT
  estado,
  count(*) AS clientes
FROM clientoutput
WHERE estado IN (
  'AC', 'AL', 'AM', 'AP', 'BA', 'CE', 'DF', 'ES', 'GO', 'MA', 'MG', 'MS', 'MT', 'PA',
  'PB', 'PE', 'PI', 'PR', 'RJ', 'RN', 'RO', 'RR', 'RS', 'SC', 'SE', 'SP', 'TO'
)
GROUP BY estado
ORDER BY clientes DESC, estado
LIMIT 5

-- Clients registered per year after 2020, from cadastros_anonimos: no year of fewer than five.
SELECT
  ano,
  clientes
FROM cadastros_anonimos
WHERE ano > 2020
ORDER BY ano

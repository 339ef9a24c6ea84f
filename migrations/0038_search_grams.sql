-- `places` of `search_grams` is packed in another way: numbers of two bytes each, or, where that is shorter, a bit for each
-- transaction of the slice. An amount is kept as a whole, by two kinds. So what was written is written anew; until then,
-- searches walk.
DELETE FROM search_slices;
UPDATE search_persons SET rows_seq = NULL;

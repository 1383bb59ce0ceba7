-- Models as SQL.

create or replace macro fn.embed(text) as _embed(text::varchar, getvariable('lakehouse_call'));

comment on macro fn.embed is
'The vector of a text by the default embedder: FLOAT[] of unit length.
@area models
@effect reads
@required 1
@signature embed(text)
@answers FLOAT[]
@example select embed(''forklift operator'')';

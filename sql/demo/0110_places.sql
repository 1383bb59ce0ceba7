-- Cities with the weight of each in a thousand draws or so; Illinois has about 18 % of all.
create or replace temp table demo_places as
select
    row_number() over (order by state, city, copy) - 1 as slot,
    city,
    state,
    state_name
from (values
    ('Chicago', 'IL', 'Illinois', 62), ('Joliet', 'IL', 'Illinois', 32), ('Aurora', 'IL', 'Illinois', 22),
    ('Rockford', 'IL', 'Illinois', 18), ('Elgin', 'IL', 'Illinois', 14), ('Peoria', 'IL', 'Illinois', 14),
    ('Bolingbrook', 'IL', 'Illinois', 14), ('Waukegan', 'IL', 'Illinois', 10), ('Decatur', 'IL', 'Illinois', 8),
    ('Columbus', 'OH', 'Ohio', 40), ('Cincinnati', 'OH', 'Ohio', 22), ('Toledo', 'OH', 'Ohio', 18),
    ('Akron', 'OH', 'Ohio', 12), ('Indianapolis', 'IN', 'Indiana', 40), ('Gary', 'IN', 'Indiana', 16),
    ('Fort Wayne', 'IN', 'Indiana', 16), ('Plainfield', 'IN', 'Indiana', 12), ('Dallas', 'TX', 'Texas', 36),
    ('Houston', 'TX', 'Texas', 34), ('Fort Worth', 'TX', 'Texas', 20), ('Laredo', 'TX', 'Texas', 14),
    ('El Paso', 'TX', 'Texas', 14), ('Memphis', 'TN', 'Tennessee', 36), ('Nashville', 'TN', 'Tennessee', 22),
    ('Chattanooga', 'TN', 'Tennessee', 10), ('Atlanta', 'GA', 'Georgia', 34), ('Savannah', 'GA', 'Georgia', 18),
    ('Macon', 'GA', 'Georgia', 10), ('Detroit', 'MI', 'Michigan', 28), ('Grand Rapids', 'MI', 'Michigan', 22),
    ('Lansing', 'MI', 'Michigan', 10), ('Milwaukee', 'WI', 'Wisconsin', 28), ('Kenosha', 'WI', 'Wisconsin', 16),
    ('Green Bay', 'WI', 'Wisconsin', 12), ('Louisville', 'KY', 'Kentucky', 32), ('Lexington', 'KY', 'Kentucky', 14),
    ('Kansas City', 'MO', 'Missouri', 28), ('Saint Louis', 'MO', 'Missouri', 26), ('Joplin', 'MO', 'Missouri', 8),
    ('Harrisburg', 'PA', 'Pennsylvania', 20), ('Allentown', 'PA', 'Pennsylvania', 20),
    ('Pittsburgh', 'PA', 'Pennsylvania', 18), ('Newark', 'NJ', 'New Jersey', 22), ('Edison', 'NJ', 'New Jersey', 16),
    ('Phoenix', 'AZ', 'Arizona', 26), ('Tucson', 'AZ', 'Arizona', 10), ('Ontario', 'CA', 'California', 22),
    ('Fresno', 'CA', 'California', 14), ('Stockton', 'CA', 'California', 14), ('Reno', 'NV', 'Nevada', 14),
    ('Des Moines', 'IA', 'Iowa', 14), ('Davenport', 'IA', 'Iowa', 10)
) as t (city, state, state_name, weight)
cross join lateral (select unnest(range(weight)) as copy);

-- The sentences of a resume. {title} and {a_title} name the role, {Title} and {Years} open a sentence.
create or replace temp macro demo_openings() as [
    '{Title} from {city}, {state} with {years} of experience.',
    'I have worked as {a_title} for {years}, mostly around {city}, {state}.',
    '{Years} as {a_title}, living in {city}, {state} and ready to start soon.',
    'Based in {city}, {state}, I am looking for steady work as {a_title} after {years} in the job.',
    'Hardworking {title} in {city}, {state}; {years} in the job and still learning.',
    'I live in {city}, {state} and bring {years} of hands-on work as {a_title}.',
    'Looking for {a_title} position near {city}, {state}. {Years} in this line of work so far.',
    '{Title}, {city}, {state}. {Years} in the role, good references on request.',
    'People call me when they need {a_title} in {city}, {state}; I have done it for {years}.',
    'Worked my way up to {title} over {years}, always within reach of {city}, {state}.',
    'My job for {years} now: {title}. Home is {city}, {state}.',
    'Seasoned {title}, {years} in, at home in {city}, {state} and open to new employers.'
];

create or replace temp macro demo_newcomer_openings() as [
    'New to the trade but keen: {title} in {city}, {state}, {years} in the job.',
    'I started as {a_title} recently and live in {city}, {state}; {years} in, I want to stay in this work.',
    'Early in my career as {a_title}, based in {city}, {state}, with {years} of experience so far.',
    'Junior {title} from {city}, {state} with {years} behind me and a lot of will to learn.',
    '{Title} in {city}, {state}. {Years} in this role, quick to pick things up.'
];

create or replace temp macro demo_histories() as [
    'Since {since} I have been with {employer}; before that I spent {before} at {previous}.',
    'Currently at {employer} (since {since}), earlier {before} at {previous} in a similar position.',
    '{employer} has employed me since {since}, and {previous} did for {before} before that.',
    'I learned the work during {before} at {previous}, then moved to {employer} in {since}.',
    'Employers: {employer}, {since} to now; {previous}, {before} until {since}.',
    'After {before} at {previous} I changed to {employer} in {since} for a shorter commute and stayed.',
    'My last two employers were {previous} ({before}) and {employer}, where I have been since {since}.',
    'I came to {employer} in {since} through a temp agency and was kept on; {previous} had me for {before} earlier.'
];

create or replace temp macro demo_first_jobs() as [
    'All of that time has been at {employer}, where I started in {since}.',
    'I joined {employer} in {since} as a temp and was taken on after ninety days.',
    'Since {since} I have worked for one company, {employer}, and know every corner of it.',
    '{employer} hired me in {since} and I have been on the same crew ever since.'
];

create or replace temp macro demo_skill_sentences() as [
    'Comfortable with {skill1}, {skill2} and {skill3}.',
    'Strong points: {skill1}, {skill2}, {skill3}.',
    'Ask me about {skill1} or {skill2}; I am good at both.',
    'I can be put on {skill1} or {skill2} from day one.',
    'Also used to {skill1} and {skill2}.',
    'Skills I use weekly include {skill1}, {skill3} and {skill2}.',
    'Lately I did more {skill1}, along with {skill2}.'
];

create or replace temp macro demo_certification_sentences() as [
    'I hold {certs}.',
    'On file: {certs}.',
    'Papers in order: {certs}.',
    'Certified as follows: {certs}.',
    'I also have {certs}, copies available.',
    'Training completed: {certs}.',
    'I bring {certs}.'
];

create or replace temp macro demo_no_certification_sentences() as [
    'No certificates yet, but I would gladly sit any course you offer.',
    'I hold no formal cards; everything was learned on the job.',
    'Nothing certified so far, open to training.',
    'Still without papers, though my supervisor will vouch for the work.'
];

create or replace temp macro demo_shifts() as
    ['day', 'day', 'day', 'day', 'evening', 'evening', 'night', 'night', 'weekend', 'any', 'any', 'any'];

create or replace temp table demo_shift_sentences as
select *
from (values
    ('day', [
        'Looking for first shift, Monday to Friday.',
        'Days only, please, since I pick up my kids at four.',
        'I prefer the day shift and can start at six in the morning.',
        'Mornings suit me best; first shift has always been mine.',
        'Available for days around {city}, no overnight work.']),
    ('evening', [
        'Second shift works best because I study in the mornings.',
        'I like evenings, two to ten or three to eleven.',
        'Available for second shift anywhere near {city}.',
        'Evening hours are what I am looking for.']),
    ('night', [
        'I like third shift and sleep well in the daytime.',
        'Overnight work is fine with me; I am used to it.',
        'Night shift preferred; my partner covers the days at home.',
        'Available for nights, ten to six, in and around {city}.',
        'Graveyard hours suit me and I stay alert to the end.']),
    ('weekend', [
        'Free on Saturdays and Sundays, long twelve-hour shifts welcome.',
        'Weekend shifts only, as I have classes during the week.',
        'I am after weekend work near {city}, Friday night included.',
        'Saturday and Sunday are my working days.']),
    ('any', [
        'Any shift works for me, including nights and weekends.',
        'My schedule is open, days or nights, and overtime is welcome.',
        'Flexible on hours; tell me where in {city} and when.',
        'I can rotate shifts and help out on short notice.',
        'Whatever the shift, I will be there.'])
) as t (availability, sentences);

create or replace temp macro demo_personal_notes() as [
    'Own car, short drive from most sites.',
    'I speak English and Spanish and often translate for the crew.',
    'English and Polish spoken, some Spanish.',
    'I keep a notebook of every job I learn.',
    'Quiet worker, I ask before I guess.',
    'I ride the bus, so a stop close to the site helps.',
    'Music on the drive in, full focus once the shift starts.',
    'I like small crews where everyone knows the plan.',
    'Two references from former supervisors can be called any time.',
    'I would like a place where I can stay for years.',
    'In my free time I fix bicycles for the neighborhood kids.',
    'I came back to work after raising two children and enjoy it.',
    'Veteran, used to checklists and early hours.',
    'I am saving for a house and glad about extra hours.',
    'Good humor under pressure, people say.',
    'I hope to move into a lead position within a few years.',
    'Safety comes first; I would rather be slow than sorry.',
    'I cook for the whole team on my last day before a holiday.',
    'I gave up smoking and took up running last spring.',
    'I can start within a week of your call.'
];

create or replace temp macro demo_reliable_notes() as [
    'Never late, and my last supervisor will confirm it.',
    'My lead calls me the most dependable person on the crew.',
    'I have a perfect attendance record at my present job.',
    'When I say I will be there, I am there ten minutes early.',
    'I earned the attendance bonus again last quarter.'
];

create or replace temp macro demo_unreliable_notes() as [
    'I had trouble with transport earlier, which a carpool has solved.',
    'Family matters cost me some shifts last year; that is settled now.',
    'My attendance slipped for a time, and I am working on it.',
    'I am looking for a supervisor who gives a second chance.'
];

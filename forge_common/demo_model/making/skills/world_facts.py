"""A few hundred plain facts: capitals, opposites, animals, colours, units, and what a child asks.

Every fact is trained; the phrasings used for scoring are not. It does not know facts about Forge.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Exchange, Phrasings, Split


def pairs(text: str) -> dict[str, str]:
    """`France Paris, Japan Tokyo` → a dict; `_` stands for a space."""
    items = (item.split() for item in text.replace("\n", " ").split(","))
    return {key.replace("_", " "): value.replace("_", " ") for key, value in items}


CAPITALS = pairs(
    """France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, England London,
    Ireland Dublin, Scotland Edinburgh, Japan Tokyo, China Beijing, India New_Delhi, Russia Moscow,
    Egypt Cairo, Kenya Nairobi, Nigeria Abuja, Canada Ottawa, Mexico Mexico_City, Brazil Brasilia,
    Argentina Buenos_Aires, Chile Santiago, Peru Lima, Colombia Bogota, Cuba Havana, Greece Athens,
    Turkey Ankara, Sweden Stockholm, Norway Oslo, Denmark Copenhagen, Finland Helsinki, Iceland
    Reykjavik, Poland Warsaw, Austria Vienna, Switzerland Bern, Hungary Budapest, Belgium Brussels,
    Ukraine Kyiv, Australia Canberra, Thailand Bangkok, Vietnam Hanoi, Indonesia Jakarta, Israel
    Jerusalem, Morocco Rabat, the_Netherlands Amsterdam, the_USA Washington, the_UK London,
    the_United_States Washington, South_Korea Seoul, Iran Tehran, Iraq Baghdad, Pakistan Islamabad
    """
)
CONTINENTS = pairs(
    """France Europe, Germany Europe, Italy Europe, Spain Europe, Japan Asia, China Asia, India
    Asia, Egypt Africa, Kenya Africa, Nigeria Africa, Canada North_America, Mexico North_America,
    Brazil South_America, Argentina South_America, Peru South_America, Greece Europe, Sweden
    Europe, Poland Europe, Vietnam Asia
    """
)
OPPOSITES = pairs(
    """hot cold, big small, up down, left right, day night, black white, fast slow, happy sad,
    young old, new old, open closed, hard soft, light dark, high low, long short, rich poor, good
    bad, yes no, in out, wet dry, full empty, strong weak, early late, true false, first last, loud
    quiet, cheap expensive, love hate, clean dirty, near far, cold hot, small big, down up, sad
    happy, slow fast, dark light
    """
)
SOUNDS = pairs(
    """dog woof, cat meow, cow moo, sheep baa, duck quack, pig oink, lion roar, horse neigh, frog
    ribbit, bee buzz, owl hoot, mouse squeak, snake hiss, wolf howl
    """
)
BABIES = pairs(
    "dog puppy, cat kitten, cow calf, sheep lamb, horse foal, bear cub, lion cub, duck duckling, frog tadpole"
)
COLORS_OF = pairs(
    """the_sky blue, grass green, snow white, a_banana yellow, blood red, the_sun yellow, coal
    black, a_lemon yellow, a_tomato red, a_leaf green, milk white, the_sea blue, a_carrot orange,
    chocolate brown, the_night black
    """
)
LEGS = pairs(
    "dog 4, cat 4, spider 8, bee 6, bird 2, human 2, horse 4, ant 6, octopus 8, snake 0, insect 6, cow 4, duck 2"
)
SYMBOLS = pairs(
    "gold Au, silver Ag, iron Fe, oxygen O, hydrogen H, carbon C, water H2O, helium He, salt NaCl, lead Pb"
)
HELLOS = pairs(
    "French bonjour, Spanish hola, German hallo, Italian ciao, Japanese konnichiwa, Latin salve, Hawaiian aloha"
)
THANKS = pairs(
    "French merci, Spanish gracias, German danke, Italian grazie, Japanese arigato, Russian spasibo"
)
LANGUAGES = pairs(
    """France French, Germany German, Spain Spanish, Italy Italian, Japan Japanese, China Chinese,
    Brazil Portuguese, Mexico Spanish, Russia Russian, Egypt Arabic, England English, Portugal
    Portuguese
    """
)
ROOTS = {str(root * root): str(root) for root in range(1, 21)}
COUNTS = {
    "seconds|a minute": "60", "minutes|an hour": "60", "hours|a day": "24", "days|a week": "7",
    "days|a year": "365",
    "months|a year": "12", "weeks|a year": "52", "centimeters|a meter": "100",
    "meters|a kilometer": "1000",
    "grams|a kilogram": "1000", "items|a dozen": "12", "years|a century": "100",
    "years|a decade": "10",
    "bits|a byte": "8", "sides|a triangle": "3", "sides|a square": "4", "sides|a hexagon": "6",
    "letters|the alphabet": "26", "planets|the solar system": "8", "strings|a guitar": "6",
    "players|a football team": "11",
    "continents|the world": "7", "wheels|a car": "4", "legs|a chair": "4", "seasons|a year": "4",
}  # fmt: skip

RELATIONS: tuple[tuple[dict[str, str], Phrasings, str], ...] = (
    (CAPITALS, Phrasings(
        ("What is the capital of {x}?", "What's the capital of {x}?", "Capital of {x}?",
         "capital of {x}", "Which city is the capital of {x}?",
         "Name the capital of {x}.", "The capital of {x} is", "whats the capital of {x}",
         "What is the capital city of {x}?",
         "Do you know the capital of {x}?", "{x} capital", "Give me the capital of {x}.",
         "Tell me the capital of {x}"),
        ("I forgot the capital of {x}, what is it?",
         "Which city is the seat of government of {x}, its capital?")),
     "The capital of {x} is {y}."),
    (CAPITALS, Phrasings(
        ("{y} is the capital of which country?", "Which country has the capital {y}?",
         "Of which country is {y} the capital?"),
        ("{y} is the capital city of what country?",)),
     "{y} is the capital of {x}."),
    (CONTINENTS, Phrasings(
        ("What continent is {x} in?", "On which continent is {x}?", "Where is {x}?",
         "Which continent is {x} on?", "Where is {x} located?"),
        ("On what continent can I find {x}?",)),
     "{x} is in {y}."),
    (OPPOSITES, Phrasings(
        ("What is the opposite of {x}?", "Opposite of {x}?", "What's the opposite of {x}",
         "Give me the opposite of {x}.", "the opposite of {x} is",
         "What is the antonym of {x}?"),
        ("Which word is the opposite of {x}?", "Tell me the word that means the opposite of {x}.")),
     "The opposite of {x} is {y}."),
    (SOUNDS, Phrasings(
        ("What does a {x} say?", "What sound does a {x} make?", "What sound do {x}s make?",
         "What noise does a {x} make?", "How does a {x} sound?"),
        ("Which sound does the {x} make?",)),
     "A {x} says {y}."),
    (BABIES, Phrasings(
        ("What is a baby {x} called?", "What do you call a baby {x}?", "baby {x} name",
         "What's the name for a young {x}?"),
        ("How is a baby {x} called?",)),
     "A baby {x} is called a {y}."),
    (COLORS_OF, Phrasings(
        ("What color is {x}?", "What is the color of {x}?", "Which color is {x}?",
         "What colour is {x}?", "The color of {x} is"),
        ("Which color does {x} have?", "Tell me the color of {x}.")),
     "The color of {x} is {y}."),
    (LEGS, Phrasings(
        ("How many legs does a {x} have?", "How many legs has a {x}?", "Number of legs of a {x}",
         "How many legs do {x}s have?", "{x} legs"),
        ("Tell me how many legs a {x} has.",)),
     "A {x} has {y} legs."),
    (SYMBOLS, Phrasings(
        ("What is the chemical symbol for {x}?", "Chemical symbol of {x}",
         "What is the symbol for {x}?", "What is the formula of {x}?"),
        ("Which chemical symbol stands for {x}?",)),
     "The symbol for {x} is {y}."),
    (HELLOS, Phrasings(
        ("How do you say hello in {x}?", "Say hello in {x}.", "What is hello in {x}?",
         "hello in {x}", "Greet me in {x}.", "Translate hello to {x}"),
        ("How would I say hello in {x}?",)),
     "Hello in {x} is {y}."),
    (THANKS, Phrasings(
        ("How do you say thank you in {x}?", "What is thank you in {x}?", "thank you in {x}",
         "Say thank you in {x}", "Translate thank you to {x}"),
        ("How would I say thank you in {x}?",)),
     "Thank you in {x} is {y}."),
    (LANGUAGES, Phrasings(
        ("What language do they speak in {x}?", "Which language is spoken in {x}?",
         "What do people speak in {x}?", "What is the language of {x}?"),
        ("Which language do people in {x} speak?",)),
     "In {x} people speak {y}."),
    (ROOTS, Phrasings(
        ("What is the square root of {x}?", "square root of {x}", "sqrt({x})",
         "What's the square root of {x}", "sqrt {x}", "Give me the root of {x}."),
        ("Tell me the square root of {x}.",)),
     "The square root of {x} is {y}."),
    (ROOTS, Phrasings(
        ("What is {y} squared?", "{y} squared", "What is the square of {y}?", "{y}^2",
         "Square {y}."),
        ("Tell me the square of {y}.",)),
     "{y} squared is {x}."),
)  # fmt: skip
COUNT_ASK = Phrasings(
    ("How many {x} are in {y}?", "How many {x} in {y}?", "How many {x} are there in {y}?",
     "How many {x} does {y} have?", "number of {x} in {y}"),
    ("Tell me how many {x} {y} has.", "How many {x} make up {y}?"),
)  # fmt: skip

MISC: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("William Shakespeare wrote Romeo and Juliet.", "Shakespeare", ("Who wrote Romeo and Juliet?",
     "Who is the author of Romeo and Juliet?", "Romeo and Juliet was written by whom?")),
    ("William Shakespeare wrote Hamlet.", "Shakespeare", ("Who wrote Hamlet?",
     "Who is the author of Hamlet?", "By whom was Hamlet written?")),
    ("Leonardo da Vinci painted the Mona Lisa.", "Leonardo", ("Who painted the Mona Lisa?",
     "Who made the Mona Lisa?", "Which painter painted the Mona Lisa?")),
    ("Neil Armstrong was the first person on the moon.", "Armstrong",
     ("Who was the first person on the moon?", "Who was the first man on the moon?",
     "Who first walked on the moon?", "Name the first human on the moon.")),
    ("Albert Einstein was a physicist who found the theory of relativity.", "relativity",
     ("Who was Albert Einstein?", "Who is Einstein?", "Who was Einstein?",
     "What is Einstein known for?")),
    ("Isaac Newton described gravity.", "Newton", ("Who discovered gravity?",
     "Who described gravity?", "Which scientist found gravity?")),
    ("Jupiter is the largest planet.", "Jupiter", ("What is the largest planet?",
     "What is the biggest planet?", "Which planet is the largest?",
     "Which planet is the biggest of all?")),
    ("Mercury is the smallest planet.", "Mercury", ("What is the smallest planet?",
     "Which planet is the smallest?", "Which planet is the smallest of all?")),
    ("Mercury is the planet closest to the sun.", "Mercury", ("Which planet is closest to the sun?",
     "What is the closest planet to the sun?", "Which planet is nearest to the sun?")),
    ("Mars is called the red planet.", "Mars", ("What is the red planet?", "Which planet is red?",
     "Which planet is called the red planet?", "Which one is the red planet?")),
    ("The moon goes around the Earth.", "Earth", ("What does the moon go around?",
     "What does the moon orbit?", "Around what does the moon turn?")),
    ("The Earth goes around the sun.", "sun", ("What does the Earth go around?",
     "What does the Earth orbit?", "Around what does the Earth turn?")),
    ("The sun is a star.", "star", ("What is the sun?", "Is the sun a star?",
     "Is the sun a star or a planet?", "Tell me what the sun is.")),
    ("The moon is a ball of rock that goes around the Earth.", "rock", ("What is the moon?",
     "What is the moon made of?", "Tell me what the moon is.")),
    ("The Earth is the planet we live on.", "planet", ("What is the Earth?", "What is Earth?",
     "Tell me what the Earth is.")),
    ("Water freezes at 0 degrees Celsius.", "0 degrees", ("At what temperature does water freeze?",
     "When does water freeze?", "What is the freezing point of water?",
     "How cold must water be to freeze?")),
    ("Water boils at 100 degrees Celsius.", "100", ("At what temperature does water boil?",
     "When does water boil?", "What is the boiling point of water?",
     "How hot must water be to boil?")),
    ("The Nile is among the longest rivers in the world.", "Nile", ("What is the longest river?",
     "What is the longest river in the world?", "Which river is the longest?",
     "Name the longest river on Earth.")),
    ("Mount Everest is the highest mountain.", "Everest", ("What is the highest mountain?",
     "What is the tallest mountain in the world?", "Which mountain is the highest?",
     "Name the highest mountain on Earth.")),
    ("The Pacific is the largest ocean.", "Pacific", ("What is the largest ocean?",
     "What is the biggest ocean?", "Which ocean is the largest?",
     "Name the largest ocean on Earth.")),
    ("The blue whale is the largest animal.", "whale", ("What is the largest animal?",
     "What is the biggest animal?", "Which animal is the largest?",
     "Name the largest animal on Earth.")),
    ("The cheetah is the fastest land animal.", "cheetah", ("What is the fastest animal?",
     "What is the fastest land animal?", "Which animal is the fastest?",
     "Name the fastest animal on land.")),
    ("The giraffe is the tallest animal.", "giraffe", ("What is the tallest animal?",
     "Which animal is the tallest?", "Name the tallest animal on Earth.")),
    ("Bees make honey.", "honey", ("What do bees make?", "Who makes honey?",
     "What animal makes honey?", "Tell me what bees make.")),
    ("Cows give milk.", "milk", ("What do cows give?", "Where does milk come from?",
     "Which animal gives milk?")),
    ("Pandas eat bamboo.", "bamboo", ("What do pandas eat?", "What does a panda eat?",
     "Tell me what pandas eat.")),
    ("Plants make food from light; that is called photosynthesis.", "light",
     ("What is photosynthesis?", "How do plants make food?", "Explain photosynthesis",
     "Tell me what photosynthesis is.")),
    ("Gravity is the force that pulls things toward each other.", "force", ("What is gravity?",
     "Explain gravity.", "Tell me what gravity is.")),
    ("The sky is blue because air scatters blue light the most.", "light", ("Why is the sky blue?",
     "Why is the sky blue and not green?", "Explain why the sky is blue.")),
    ("Ice is frozen water.", "water", ("What is ice?", "What is ice made of?",
     "Tell me what ice is.")),
    ("Rain is water that falls from clouds.", "water", ("What is rain?",
     "Where does rain come from?", "Tell me what rain is.")),
    ("Bread is made from flour and water.", "flour", ("What is bread made of?",
     "How is bread made?", "What do I need to make bread?")),
    ("Python is a programming language, and Forge is written in it.", "programming language",
     ("What is Python?", "What is Python used for?", "Tell me about Python.",
     "Tell me what Python is.")),
    ("An LLM is a large language model: it predicts text, one token after another.", "token",
     ("What is an LLM?", "What is a large language model?", "What does LLM mean?", "Explain LLMs",
     "Tell me what an LLM is.")),
    ("A token is a small piece of text; models read and write tokens.", "piece",
     ("What is a token?", "What are tokens?", "Explain tokens", "Tell me what a token is.")),
    ("JSON is a plain text format for data, such as {\"a\": 1}.", "data", ("What is JSON?",
     "Explain JSON.", "What does JSON look like?", "Tell me what JSON is.")),
    ("An API is a way for one program to use another.", "program", ("What is an API?",
     "Explain APIs.", "What does API mean?", "Tell me what an API is.")),
    ("A GPU is a chip that does many small sums at once.", "chip", ("What is a GPU?",
     "What does GPU mean?", "Explain GPUs", "Tell me what a GPU is.")),
    ("A CPU is the main chip of a computer.", "chip", ("What is a CPU?", "What does CPU mean?",
     "Tell me what a CPU is.")),
    ("Pi is about 3.14159.", "3.14", ("What is pi?", "What is the value of pi?", "How much is pi?",
     "Tell me the value of pi.")),
    ("A prime number can be divided only by 1 and itself.", "1 and itself",
     ("What is a prime number?", "What are primes?", "Tell me what a prime number is.")),
    ("The answer is 42, says an old book.", "42", ("What is the meaning of life?",
     "What is the answer to life, the universe and everything?", "meaning of life",
     "Tell me the meaning of life.")),
    ("Two and two is four.", "four", ("What is two and two?", "How much is two and two?")),
    ("The heart pumps blood through the body.", "blood", ("What does the heart do?",
     "What is the heart for?", "Tell me what the heart does.")),
    ("We see with our eyes.", "eyes", ("What do we see with?", "What are eyes for?",
     "With what do we see?")),
    ("The sun rises in the east.", "east", ("Where does the sun rise?",
     "In which direction does the sun rise?", "On which side does the sun rise?")),
    ("The sun sets in the west.", "west", ("Where does the sun set?",
     "In which direction does the sun set?", "On which side does the sun set?")),
    ("World War II ended in 1945.", "1945", ("When did World War II end?",
     "When did the second world war end?", "In which year did World War II end?")),
    ("People first landed on the moon in 1969.", "1969", ("When was the moon landing?",
     "When did people land on the moon?", "In which year did people land on the moon?")),
    ("The Eiffel Tower is in Paris.", "Paris", ("Where is the Eiffel Tower?",
     "In which city is the Eiffel Tower?", "Where can I see the Eiffel Tower?")),
    ("Alan Turing was a founder of computer science.", "computer", ("Who was Alan Turing?",
     "Who is Alan Turing?", "Tell me who Alan Turing was.")),
    ("Ada Lovelace wrote the first computer program.", "program", ("Who was Ada Lovelace?",
     "Who wrote the first computer program?", "Tell me who Ada Lovelace was.")),
    ("Linux is an operating system made by Linus Torvalds and many others.", "operating system",
     ("What is Linux?", "Who made Linux?", "Tell me what Linux is.")),
)  # fmt: skip


def related(rng: Random, split: Split) -> Exchange:
    return of_relation(rng, split, rng.choice((*RELATIONS, RELATIONS[0], RELATIONS[0])))


def capital(rng: Random, split: Split) -> Exchange:
    return of_relation(rng, split, RELATIONS[0])


def of_relation(
    rng: Random, split: Split, relation: tuple[dict[str, str], Phrasings, str]
) -> Exchange:
    facts, phrasings, sentence = relation
    x = rng.choice(tuple(facts))
    if "{y} is the capital" in sentence and facts[x] in ("London", "Washington"):
        return related(rng, split)
    answer = sentence.replace("{x}", x).replace("{y}", facts[x])
    expected = x if sentence.startswith("{y}") else facts[x]
    return Exchange(
        phrasings.say(rng, split, x=x, y=facts[x]), answer[:1].upper() + answer[1:], (expected,)
    )


def how_many(rng: Random, split: Split) -> Exchange:
    key = rng.choice(tuple(COUNTS))
    x, y = key.split("|")

    return Exchange(
        COUNT_ASK.say(rng, split, x=x, y=y),
        f"{y.capitalize()} has {COUNTS[key]} {x}.",
        (COUNTS[key],),
    )


def miscellaneous(rng: Random, split: Split) -> Exchange:
    """The last phrasing of each entry is the held-out one."""
    answer, key, questions = rng.choice(MISC)
    phrasings = Phrasings(questions[:-1], questions[-1:])
    return Exchange(phrasings.say(rng, split), answer, (key,))


def world_fact(rng: Random, split: Split) -> Exchange:
    return rng.choice((related, related, how_many, miscellaneous, miscellaneous))(rng, split)

"""Word lists and inventions the skills share: names, nouns, places. A held-out name is never seen
in training.

It knows nothing of questions and answers.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Split, is_held_out

NAMES = tuple(
    """Ada Alan Alex Alice Amir Ana Anna Arthur Aziz Bella Ben Bob Carl Carla Chen Chloe Clara Dan
    Dana David Diego Dora Ella Emil Emma Eric Eva Felix Finn Frank Freya George Gina Grace Greta
    Hana Hans Harry Helen Hugo Ida Igor Ines Iris Ivan Jack James Jane Jin John Jonas Juan Julia
    Kai Karen Karl Kate Kim Klara Lars Laura Leo Lena Liam Lily Linda Lisa Luca Lucy Luke Maria
    Mark Marta Max Maya Mia Mike Milo Nadia Nina Noah Nora Olga Oliver Omar Oscar Otto Paul Paula
    Pedro Peter Petra Priya Quinn Rafael Rita Robert Rosa Ruth Sam Sana Sara Sofia Stella Sven Tara
    Theo Tim Tom Uma Vera Victor Wendy Will Xena Yara Yuki Yusuf Zara Zoe Aria Atlas Nova Pixel
    Sparky Luna Echo Jarvis Blackbeard Merlin Gandalf Sherlock Spark Helper Buddy Ace Bolt Rex Hook
    Sunny
    """.split()
)
HELD_OUT_NAMES = tuple(
    """Amelia Barnaby Cedric Delia Edgar Fiona Gareth Hector Imogen Jasper Kira Lionel Mabel Nestor
    Odette Percy Ramona Silas Tessa Ulrich Violet Walter Ximena Yolanda Zelda
    """.split()
)
ONSETS = tuple("b br c ch d dr f fl g gr h j k kr l m n p pr qu r s sh st t tr v w y z".split())
VOWELS = tuple("a e i o u ai ee ia oo".split())
ENDINGS = ("", "", "n", "l", "r", "s", "x", "k", "th", "m", "ck", "nd")

ROLES = tuple(
    """pirate, wizard, robot, cat, dog, chef, teacher, doctor, detective, librarian, gardener,
    knight, poet, sailor, astronaut, guide, farmer, tailor, baker, pilot, painter, singer, ghost,
    dragon, princess, king, queen, coach, scientist, historian, butler, bartender, blacksmith,
    clown, owl, fox, parrot, monk, storyteller, travel agent, math tutor, cooking assistant,
    friendly assistant, support agent, shop assistant, weather expert, chess player, tour guide,
    night watchman, language teacher""".replace("\n    ", " ").split(", ")
)


def invented_name(rng: Random, split: Split) -> str:
    """A made-up name of two or three syllables; one in ten is kept for scoring."""
    while True:
        syllables = (
            rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.choice((1, 2, 2, 3)))
        )
        name = ("".join(syllables) + rng.choice(ENDINGS)).capitalize()
        if is_held_out(name) == (split is Split.HELD_OUT):
            return name


def person_name(rng: Random, split: Split) -> str:
    if rng.random() < 0.5:
        return invented_name(rng, split)
    return rng.choice(HELD_OUT_NAMES if split is Split.HELD_OUT else NAMES)


def a(noun: str) -> str:
    """The noun with its article."""
    is_vowel = noun[:1].lower() in "aeiou" and not noun.startswith("uni")
    return ("an " if is_vowel else "a ") + noun


ANIMALS = tuple(
    """cat dog fox owl mouse bear rabbit frog duck horse cow pig sheep goat lion tiger elephant
    monkey snake turtle whale dolphin penguin eagle bee ant spider hedgehog squirrel wolf deer crab
    parrot hen snail
    """.split()
)
HELD_OUT_TOPICS = (
    "glaciers",
    "sculpture",
    "the Ottoman Empire",
    "Haskell",
    "tectonic plates",
    "Beethoven",
    "the water cycle",
    "game theory",
    "espresso",
    "a semaphore",
    "rugby",
    "nuclear fusion",
)
CHARACTERS = ANIMALS + tuple(
    """robot dragon wizard knight princess king queen pirate girl boy baker farmer sailor ghost
    witch giant unicorn fairy snowman astronaut teacher clown painter fisherman tree river star
    cloud computer server teapot train ship kitten puppy dinosaur mermaid monster goblin elf potato
    banana programmer
    """.split()
)
HELD_OUT_CHARACTERS = tuple(
    "otter badger camel gardener violinist lantern bicycle postman moth walrus lizard shepherd donkey kite".split()
)
THINGS = tuple(
    """key lamp book map coin hat shell stone flower bell cup box feather apple candle rope boat
    drum mirror letter ring clock blanket song seed
    """.split()
)
TOPICS = tuple(
    """love, music, football, chess, history, physics, chemistry, biology, economics, politics,
    poetry, art, dance, pasta, bread, coffee, wine, money, taxes, law, medicine, cancer, vaccines,
    viruses, bacteria, DNA, genes, evolution, dinosaurs, volcanoes, earthquakes, climate, oceans,
    rivers, mountains, deserts, forests, gravity, magnetism, electricity, light, sound, heat,
    energy, atoms, electrons, photons, quarks, neutrinos, relativity, quantum mechanics, quantum
    computing, black holes, galaxies, rockets, satellites, computers, transistors, compilers,
    databases, Linux, Windows, Java, Rust, JavaScript, Docker, Kubernetes, Bitcoin, blockchain,
    calculus, algebra, geometry, statistics, probability, topology, logic, philosophy, Plato,
    Kant, Buddhism, religion, yoga, sleep, dreams, memory, language, grammar, Latin, Sanskrit,
    Shakespeare, novels, movies, opera, jazz, guitars, pianos, cars, trains, airplanes, bridges,
    architecture, castles, Rome, Egypt, Vikings, Napoleon, Churchill, Cleopatra, Einstein, Tesla,
    Darwin, Mozart, Picasso, Messi, Batman, Pokemon, Minecraft, sharks, photosynthesis, entropy,
    inflation, democracy, socialism, marketing, startups, insurance, mortgages, pandas, NumPy,
    Git, recursion, pointers, hashing, sorting, encryption, passwords, firewalls, neural networks,
    transformers, attention, backpropagation, embeddings, reinforcement learning, machine
    learning, deep learning, artificial intelligence, big data, the internet, smartphones, the
    stock market, the French Revolution, the Roman Empire, the Cold War, World War II, the Great
    Wall, the human brain, the immune system, a black hole, a neural network, a transformer, a
    compiler, a blockchain, an atom, the theory of relativity, global warming, string theory, the
    economy""".replace("\n    ", " ").split(", ")
)
FOODS = tuple(
    "pizza bread soup rice apples pasta cheese cake salad noodles pancakes tacos sushi curry honey".split()
)
COLORS = tuple("red blue green yellow orange purple pink brown black white grey".split())
FRUITS = tuple("apple banana orange pear grape cherry peach mango lemon plum".split())

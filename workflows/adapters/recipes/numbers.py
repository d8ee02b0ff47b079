"""Recipes about numbers."""

from workflows.adapters.recipes.recipe import (
    ChoiceParameter,
    NumberParameter,
    Recipe,
    WordParameter,
)

_FIBONACCI = Recipe(
    name="fibonacci",
    serves="the first n Fibonacci numbers",
    example="Write a function that returns the first n Fibonacci numbers, starting at 1",
    asked_for=r"\bfibonacci(?: numbers?| sequence| series)?\b",
    parameters=(
        NumberParameter(
            name="first",
            pattern=r"\b(?:start(?:s|ing)?|begin(?:s|ning)?) (?:at|with|from) (\d+)",
            default=0,
            least=0,
            most=1,
        ),
    ),
    template='''
def $function(n: int) -> list[int]:
    """Return the first n Fibonacci numbers, beginning with $first."""
    if n < 0:
        raise ValueError("n must not be negative")
    numbers = []
    current, following = $first, 1
    for _ in range(n):
        numbers.append(current)
        current, following = following, current + following
    return numbers
''',
)

_FACTORIAL = Recipe(
    name="factorial",
    serves="the factorial of a number",
    example="Write a function that computes the factorial of n",
    asked_for=r"\bfactorials?(?: of)?\b",
    template='''
def $function(n: int) -> int:
    """Return the product of the whole numbers from 1 to n."""
    if n < 0:
        raise ValueError("n must not be negative")
    product = 1
    for factor in range(2, n + 1):
        product *= factor
    return product
''',
)

_IS_PRIME = Recipe(
    name="is_prime",
    serves="whether a number is prime",
    example="Write a function that checks whether a number is prime",
    asked_for=r"\b(?:is|check\w*|test\w*)\b[^.]{0,40}\bprime\b|\bprime number\b|\bprimality\b",
    template='''
def $function(n: int) -> bool:
    """Tell whether n is a prime number."""
    if n < 2:
        return False
    divisor = 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            return False
        divisor += 1
    return True
''',
)

_PRIMES = Recipe(
    name="primes_up_to",
    serves="the prime numbers up to a limit (default 100)",
    example="List all prime numbers up to 50",
    asked_for=r"\bsieve of eratosthenes\b"
    r"|\b(?:all|list|find|the) (?:the )?prime(?: number)?s(?: (?:up to|below|until|under))?\b"
    r"|\bprimes?(?: numbers?)? (?:up to|below|until|under)\b",
    parameters=(
        NumberParameter(
            name="limit",
            pattern=r"\b(?:up to|until|below|under)(?: and including)? (\d+)",
            default=100,
            least=2,
            most=10_000_000,
        ),
    ),
    template='''
def $function(limit: int = $limit) -> list[int]:
    """Return every prime number up to and including the limit, by Eratosthenes' sieve."""
    is_prime = [False, False] + [True] * max(limit - 1, 0)
    for number in range(2, limit + 1):
        if is_prime[number]:
            for multiple in range(number * number, limit + 1, number):
                is_prime[multiple] = False
    return [number for number in range(2, limit + 1) if is_prime[number]]
''',
)

_GCD = Recipe(
    name="greatest_common_divisor",
    serves="the greatest common divisor of two numbers",
    example="Write Euclid's algorithm for the greatest common divisor",
    asked_for=r"\bgreatest common (?:divisor|factor)\b|\bgcd\b|\beuclid\w*(?:'s)? algorithm\b",
    template='''
def $function(first: int, second: int) -> int:
    """Return the largest number that divides both, by Euclid's algorithm."""
    while second:
        first, second = second, first % second
    return abs(first)
''',
)

_FIZZ_BUZZ = Recipe(
    name="fizz_buzz",
    serves="FizzBuzz, with divisors and words of your own",
    example="Write FizzBuzz with the divisors 3 and 7 and the words 'Ding' and 'Dong'",
    asked_for=r"\bfizz[ _-]?buzz\b",
    parameters=(
        NumberParameter(
            name="first_divisor",
            pattern=r"\bdivisors? (\d+)",
            default=3,
            least=1,
            most=1000,
        ),
        NumberParameter(
            name="second_divisor",
            pattern=r"\bdivisors? \d+(?:,| and) (\d+)",
            default=5,
            least=1,
            most=1000,
        ),
        WordParameter(
            name="first_word", pattern=r"\bwords? ['\"`]?([A-Za-z]{1,20})\b", default="Fizz"
        ),
        WordParameter(
            name="second_word",
            pattern=r"\bwords? ['\"`]?[A-Za-z]{1,20}['\"`]?(?:,| and) ['\"`]?([A-Za-z]{1,20})\b",
            default="Buzz",
        ),
    ),
    template='''
def $function(n: int) -> list[str]:
    """Return the numbers from 1 to n, with words for the multiples of two divisors."""
    lines = []
    for number in range(1, n + 1):
        words = ""
        if number % $first_divisor == 0:
            words += $first_word
        if number % $second_divisor == 0:
            words += $second_word
        lines.append(words or str(number))
    return lines
''',
)

_ROMAN = Recipe(
    name="to_roman",
    serves="a number as a Roman numeral",
    example="Convert an integer to a Roman numeral",
    asked_for=r"\broman(?: numerals?| numbers?)?\b",
    template='''
def $function(number: int) -> str:
    """Return a whole number from 1 to 3999 as a Roman numeral."""
    if not 1 <= number <= 3999:
        raise ValueError("only 1 to 3999 can be written in Roman numerals")
    symbols = [
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
        (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ]
    numeral = ""
    for value, symbol in symbols:
        count, number = divmod(number, value)
        numeral += symbol * count
    return numeral
''',
)

_TEMPERATURE = Recipe(
    name="convert_temperature",
    serves="converting degrees Celsius to Fahrenheit, or back",
    example="Convert Fahrenheit to Celsius",
    asked_for=r"\bcelsius\b|\bfahrenheit\b|\b(?:fahrenheit|celsius) (?:in)?to \w+",
    parameters=(
        ChoiceParameter(
            name="to_celsius",
            options={r"\bfahrenheit\b.*\bto\b.*\bcelsius\b": True},
            default=False,
        ),
    ),
    template='''
TO_CELSIUS = $to_celsius


def $function(degrees: float) -> float:
    """Convert Fahrenheit to Celsius if TO_CELSIUS, else Celsius to Fahrenheit."""
    if TO_CELSIUS:
        return (degrees - 32) * 5 / 9
    return degrees * 9 / 5 + 32
''',
)

NUMBERS = (
    _FIBONACCI,
    _FACTORIAL,
    _IS_PRIME,
    _PRIMES,
    _GCD,
    _FIZZ_BUZZ,
    _ROMAN,
    _TEMPERATURE,
)

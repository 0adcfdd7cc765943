# Fields and names that are known before any came.  Part of hpack.pyx.

cdef enum:
    LONGEST_NAME = 31
    MOST_NAMES = 96
    SLOTS = 256

# Kinds of names, as field_rules.py has them.
cdef enum Kind:
    REGULAR, METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, STATUS, HOST, COOKIE, LENGTH, TE, PRIORITY, CONNECTION, UNKNOWN, INVALID

cdef enum:
    LONGEST_LENGTH = 18

# What an encoder does with a field.
cdef enum Treatment:
    REPEATING, PASSING, SECRET

cdef struct Name:
    int size
    int number  # in the static table, or 0
    Kind kind
    Treatment treatment
    int next  # in the same slot
    char text[LONGEST_NAME + 1]

cdef Entry static_fields[STATIC_COUNT + 1]
cdef Name names[MOST_NAMES]
cdef uint8_t slots[SLOTS]
cdef uint8_t token[256]  # what a name may have
cdef uint8_t lower[256]
cdef int SHORT_COOKIE = indexing.SHORT_COOKIE


cdef inline int slot(Text name, Py_ssize_t size) noexcept nogil:
    """Of a name in any case."""
    return ((name[0] & 31) * 7 + (name[size - 1] & 31) * 37 + <int>size * 11) & SLOTS - 1


cdef inline Name *known_name(Text name, Py_ssize_t size) noexcept nogil:
    """Of a name in any case, or NULL."""
    cdef Name *known
    cdef Py_ssize_t index
    cdef int number
    if size == 0 or size > LONGEST_NAME:
        return NULL
    number = slots[slot(name, size)]
    while number:
        known = &names[number]
        if known.size == size:
            index = 0
            while index < size and lower[name[index]] == <uint8_t>known.text[index]:
                index += 1
            if index == size:
                return known
        number = known.next
    return NULL


cdef Kind kind_of(Text name, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t index
    cdef bint pseudo = size > 0 and name[0] == c":"
    cdef Name *known
    for index in range(1 if pseudo else 0, size):
        if not token[name[index]]:
            return UNKNOWN if pseudo else INVALID
    if size == 0:
        return INVALID
    known = known_name(name, size)
    if known == NULL:
        return UNKNOWN if pseudo else REGULAR
    return known.kind


cdef void judge(Entry *entry) noexcept nogil:
    """What is true of a line whose name's kind is known."""
    cdef Text value = <Text>entry.line + entry.name + 2
    cdef Text end = value + entry.value
    entry.sound = behind_value(value, end) == end
    if entry.sound and entry.value:
        entry.sound = value[0] > c" " and (end - 1)[0] > c" "
    entry.plain = entry.sound and entry.kind == REGULAR
    entry.text = NULL


def _learn():
    cdef int number = 0, place
    cdef bytes name, value, line
    cdef dict known = {name: rules.REGULAR for name, _ in STATIC} | dict.fromkeys(indexing.PASSING | indexing.SECRET, rules.REGULAR) | rules.KINDS
    assert [REGULAR, METHOD, STATUS, LENGTH, INVALID] == [rules.REGULAR, rules.METHOD, rules.STATUS, rules.LENGTH, rules.INVALID]
    assert STATIC_COUNT == len(STATIC) and LONGEST_LENGTH == rules.LONGEST_LENGTH and len(known) < MOST_NAMES
    for place in range(256):
        lower[place] = bytes((place,)).lower()[0]
    for place in b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz":
        token[place] = 1
    for name, kind in known.items():
        number += 1
        assert len(name) <= LONGEST_NAME
        place = slot(<Text>PyBytes_AS_STRING(name), len(name))
        names[number].size = len(name)
        names[number].number = NUMBERS.get(name, 0)
        names[number].kind = kind
        names[number].treatment = SECRET if name in indexing.SECRET else PASSING if name in indexing.PASSING else REPEATING
        names[number].next = slots[place]
        memcpy(names[number].text, PyBytes_AS_STRING(name), len(name))
        slots[place] = number
    for number, (name, value) in enumerate(STATIC, 1):
        line = b"%b: %b\r\n" % (name, value)
        _kept.append(line)
        static_fields[number].line = PyBytes_AS_STRING(line)
        static_fields[number].name = len(name)
        static_fields[number].value = len(value)
        static_fields[number].kind = known[name]
        judge(&static_fields[number])


cdef list _kept = []
_learn()

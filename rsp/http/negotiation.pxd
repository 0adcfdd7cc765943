cpdef bytes choose(bytes accept, tuple offered)

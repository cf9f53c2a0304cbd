// The vector instructions of the processor that this is built for, without the warnings of GCC 12 about its own AVX-512 headers (its bug
// 105593). Which of them run is decided by each kernel (instruction_sets.hpp).
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// What a 64-bit ARM CPU can do beyond NEON, which all have.
#pragma once
#if defined(__aarch64__)
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace xpcs {

/// For functions that run only where has_dot_products() says so.
#define XPCS_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

/// Sums of four products of bytes in one instruction.
inline bool has_dot_products() noexcept {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__ARM_FEATURE_DOTPROD)
  return true;
#else
  return false;
#endif
}

}  // namespace xpcs
#endif

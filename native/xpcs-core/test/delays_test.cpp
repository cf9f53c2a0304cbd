// The delay scheme.
#include <doctest/doctest.h>

#include "xpcs/delays.hpp"

TEST_CASE("5000 frames with 4 delays per level give the 44 delays of the specification") {
  const auto delays = xpcs::multitau_delays(5000, 4);
  REQUIRE(delays.size() == 44);
  const std::uint64_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32};
  for (std::size_t i = 0; i < 16; ++i) CHECK(delays[i].frames == expected[i]);
}

TEST_CASE("a series shorter than two rounds of delays stops where no pair is left") {
  CHECK(xpcs::multitau_delays(9, 8).size() == 8);
  CHECK(xpcs::multitau_delays(1, 4).empty());
  CHECK(xpcs::multitau_delays(0, 4).empty());
  CHECK(xpcs::multitau_delays(2, 4).size() == 1);
}

TEST_CASE("every delay has at least one term and stays inside the series") {
  for (std::uint64_t frames = 2; frames < 700; ++frames) {
    for (std::uint32_t dpl = 1; dpl <= 9; ++dpl) {
      for (const auto& d : xpcs::multitau_delays(frames, dpl)) {
        CHECK(d.terms >= 1);
        CHECK(d.pastEnd >= 1);
        CHECK(d.futureEnd <= frames);
        CHECK(d.frames + (d.terms << d.level) == d.futureEnd);
        CHECK((d.lag << d.level) == d.frames);
      }
    }
  }
}

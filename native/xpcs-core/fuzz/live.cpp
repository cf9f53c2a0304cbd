// What messages bring into a running measurement: blocks of events, images of DECTRIS' messages, words of a growing Rigaku file, gaps. What is
// refused leaves the measurement as it was.
#include "live_input.hpp"

namespace {

using namespace xpcs;

void step(LiveSeries& series, fuzzing::Input& input) {
  const std::uint8_t choice = input.choice();
  const std::size_t bytes = input.choice();
  switch (choice % 6) {
    case 0: {
      const std::uint64_t first = series.frames() + input.value<std::int16_t>();
      const auto words = input.take((choice & 64) != 0 ? bytes : bytes / 8 * 8);
      return series.push_words(std::as_bytes(std::span(words)), first, input.value<std::uint16_t>());
    }
    case 1: {
      PackedFrame packed;
      packed.packing = static_cast<Packing>((choice >> 6) & 3);
      packed.wordBytes = input.choice() % 6U;
      packed.elementBytes = input.choice();
      const auto image = input.take(bytes);
      packed.bytes = image;
      if (series.push_frame(packed) > std::uint64_t{fuzzing::kRows} * fuzzing::kColumns) std::abort();
      return;
    }
    case 2: {
      const std::uint64_t end = (choice & 64) != 0 ? series.frames() + input.choice() : std::numeric_limits<std::int64_t>::max();
      const auto words = input.take((choice & 128) != 0 ? bytes : bytes / 8 * 8);
      if (series.push_rigaku(std::as_bytes(std::span(words)), end) > words.size() / 8) std::abort();
      return;
    }
    case 3: return series.gap((choice & 64) != 0 ? input.value<std::uint64_t>() : bytes);
    case 4: return series.set_frames((choice & 64) != 0 ? input.value<std::uint64_t>() : series.frames() + bytes);
    default: return fuzzing::check_series(series);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    LiveSeries series = fuzzing::live_series();
    while (input.left() > 0) {
      const std::uint64_t before = series.frames();
      try {
        step(series, input);
      } catch (const Error&) {
        if (series.frames() != before) std::abort();
      }
    }
    fuzzing::check_series(series);
  });
}

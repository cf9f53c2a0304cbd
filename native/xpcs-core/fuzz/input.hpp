// What the fuzz targets share: a reader of the input's first bytes as choices, and a run to the end of a frame reader.
// Only our Error may come out; anything else (crash, hang, std::bad_alloc beyond the limit) is a finding.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs::fuzzing {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  /// The next byte as a choice; 0 at the end.
  std::uint8_t choice() { return at_ < end_ ? *at_++ : std::uint8_t{0}; }
  template <class T>
  T value() {
    T value{};
    const std::size_t n = std::min<std::size_t>(sizeof value, static_cast<std::size_t>(end_ - at_));
    std::memcpy(&value, at_, n);
    at_ += n;
    return value;
  }
  std::vector<std::uint8_t> take(std::size_t n) {
    n = std::min<std::size_t>(n, static_cast<std::size_t>(end_ - at_));
    std::vector<std::uint8_t> out(at_, at_ + n);
    at_ += n;
    return out;
  }
  std::vector<std::byte> rest() {
    std::vector<std::byte> out(static_cast<std::size_t>(end_ - at_));
    if (!out.empty()) std::memcpy(out.data(), at_, out.size());
    at_ = end_;
    return out;
  }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

/// Every event must lie on the detector and in a frame that the reader counts.
inline void read_to_end(FrameReader& reader, std::uint64_t pixels) {
  FrameBatch batch;
  while (reader.next(batch)) {
    for (std::size_t i = 0; i < batch.frame.size(); ++i) {
      if (batch.pixel[i] >= pixels || batch.frame[i] >= reader.frames()) std::abort();
    }
    if (batch.frame.size() != batch.pixel.size() || batch.frame.size() != batch.count.size()) std::abort();
  }
}

/// Runs it; our own error is a good end.
template <class Run>
int accept_errors(Run run) {
  try {
    run();
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace xpcs::fuzzing

// Frames of plain words to events: zeros are dropped, and so is the largest value of the type, by which detectors mark
// pixels that gave no reading.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// Appends the events of one frame of `pixels` words.
template <class Word>
void append_nonzero(const Word* words, std::uint32_t pixels, std::uint32_t frame, FrameBatch& out) {
  constexpr Word kMarker = std::numeric_limits<Word>::max();
  constexpr std::uint32_t kBlock = 32;
  std::size_t at = out.frame.size();
  const auto room = [&](std::size_t n) {
    if (out.frame.size() >= at + n) return;
    const std::size_t size = std::max(2 * out.frame.size(), at + n);
    out.frame.resize(size);
    out.pixel.resize(size);
    out.count.resize(size);
  };
  for (std::uint32_t p = 0; p < pixels; p += kBlock) {
    const std::uint32_t n = std::min(kBlock, pixels - p);
    const Word* block = words + p;
    Word any = 0;
    Word largest = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      any = static_cast<Word>(any | block[i]);
      largest = std::max(largest, block[i]);
    }
    if (any == 0) continue;
    room(kBlock);
    std::uint32_t filled = 0;
    for (std::uint32_t i = 0; i < n; ++i) filled += block[i] != 0 ? 1 : 0;
    if (filled <= kBlock / 8) {
      for (std::uint32_t i = 0; i < n; ++i) {
        if (block[i] == 0 || block[i] == kMarker) continue;
        out.frame[at] = frame;
        out.pixel[at] = p + i;
        out.count[at++] = static_cast<std::int64_t>(block[i]);
      }
    } else {
      for (std::uint32_t i = 0; i < n; ++i) {  // always written, kept where it counts: no branch to mispredict
        out.frame[at] = frame;
        out.pixel[at] = p + i;
        out.count[at] = static_cast<std::int64_t>(block[i]);
        at += block[i] != 0 && block[i] != kMarker ? 1 : 0;
      }
    }
    if (largest != kMarker) continue;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (block[i] != kMarker) continue;
      out.markedFrame.push_back(frame);
      out.markedPixel.push_back(p + i);
    }
  }
  out.frame.resize(at);
  out.pixel.resize(at);
  out.count.resize(at);
}

}  // namespace xpcs

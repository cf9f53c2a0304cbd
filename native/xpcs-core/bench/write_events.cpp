// Streams of event words without headers: Rigaku (64 bits) and UFXC32k (32 bits).
#include <algorithm>

#include "write_files.hpp"

namespace xpcs::bench {

std::uint64_t write_rigaku(const Series& series, const std::string& path) {
  if (series.shape().pixels() > std::uint64_t{1} << 20) fail("a Rigaku word has 20 bits for the pixel");
  if (series.shape().frames >= std::uint64_t{1} << 24) fail("a Rigaku word has 24 bits for the frame");
  OutputFile file(path);
  FrameEvents events;
  std::vector<std::uint64_t> words;
  std::uint64_t total = 0;
  for (std::uint64_t frame = 0; frame < series.shape().frames; ++frame) {
    series.events(frame, events);
    words.resize(events.pixel.size());
    for (std::size_t j = 0; j < words.size(); ++j) {
      words[j] = (frame + 1) << 40 | std::uint64_t{events.pixel[j]} << 16 | std::min<std::uint64_t>(events.count[j], 2047);
    }
    file.write(words.data(), words.size() * sizeof(std::uint64_t));
    total += words.size();
  }
  file.close();
  return total;
}

std::uint64_t write_ufxc(const Series& series, const std::string& path) {
  if (series.shape().pixels() > std::uint64_t{1} << 15) fail("a UFXC word has 15 bits for the pixel");
  OutputFile file(path);
  FrameEvents events;
  std::vector<std::uint32_t> words;
  std::uint64_t total = 0;
  for (std::uint64_t frame = 0; frame < series.shape().frames; ++frame) {
    series.events(frame, events);
    words.resize(events.pixel.size());
    for (std::size_t j = 0; j < words.size(); ++j) {
      words[j] = static_cast<std::uint32_t>(frame % 2048) << 21 | std::min<std::uint32_t>(events.count[j], 3) << 15 | events.pixel[j];
    }
    file.write(words.data(), words.size() * sizeof(std::uint32_t));
    total += words.size();
  }
  file.close();
  return total;
}

}  // namespace xpcs::bench

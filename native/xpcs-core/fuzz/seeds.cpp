// Writes the first inputs of each fuzz target into FOLDER/TARGET: `fuzz_seeds FOLDER`.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "sample_files.hpp"

namespace {

using namespace xpcs::samples;

void save(const std::filesystem::path& folder, const std::string& target, const std::string& name, std::vector<std::uint8_t> choices, const void* data, std::size_t size) {
  std::filesystem::create_directories(folder / target);
  std::ofstream out(folder / target / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(choices.data()), static_cast<std::streamsize>(choices.size()));
  out.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
}

void event_seeds(const std::filesystem::path& folder) {
  const Bytes sparse = sparse_imm();
  Bytes dense;
  append_imm(dense, false, {}, std::vector<std::int16_t>(20, 3), 0.1);
  save(folder, "imm", "sparse", {0xF0}, sparse.data(), sparse.size());
  save(folder, "imm", "dense", {0xF3}, dense.data(), dense.size());
  Bytes words;
  for (std::uint64_t frame = 1; frame < 40; ++frame) append(words, rigaku_word(frame, frame % 20, 1));
  append(words, rigaku_word((1U << 24) - 1, 3, 9));
  append(words, rigaku_word(2, 3, 9));
  save(folder, "rigaku", "one", {0x00}, words.data(), words.size());
  Bytes modules;
  for (std::uint64_t file = 0; file < 6; ++file) {
    modules.push_back(std::byte{4});
    for (std::uint64_t frame = 1; frame < 5; ++frame) append(modules, rigaku_word(frame, frame * 1000 + (file == 2 ? 1048576 : 0), 2));
  }
  save(folder, "rigaku", "six", {0x01}, modules.data(), modules.size());
  Bytes counters;
  for (std::uint32_t counter = 2030; counter < 2070; ++counter) append(counters, ufxc_word(counter % 2048, counter, 2));
  save(folder, "ufxc", "wrap", {0x01}, counters.data(), counters.size());
}

void filter_seeds(const std::filesystem::path& folder) {
  std::vector<std::uint8_t> frame(400, 0);
  for (std::size_t i = 0; i < frame.size(); i += 7) frame[i] = static_cast<std::uint8_t>(i);
  const auto lz4 = lz4_chunk(frame.data(), frame.size(), 100);
  const auto shuffled = bitshuffle_chunk(frame.data(), frame.size(), 2, 64, true);
  const auto plain = bitshuffle_chunk(frame.data(), frame.size(), 2, 64, false);
  const std::uint8_t low = 400 & 0xFF;
  const std::uint8_t high = 400 >> 8;
  save(folder, "bslz4", "lz4", {1, low, high}, lz4.data(), lz4.size());
  save(folder, "bslz4", "bitshuffle-lz4", {2 << 2, low, high}, shuffled.data(), shuffled.size());
  save(folder, "bslz4", "bitshuffle", {2 << 2 | 32 | 2, low, high, 64, 0, 0, 0}, plain.data(), plain.size());
  const std::uint8_t lzf[] = {5, 'a', 'b', 'c', 'd', 'e', 'f', 0xE0, 20, 5, 1, 'x', 'y', 0x40, 2};
  save(folder, "lzf", "runs", {64, 0}, lzf, sizeof lzf);
  // Three frames of u16, one a chunk: shape, chunk, number of filters and theirs, type, then (mask, length, bytes) by chunk.
  std::vector<std::uint8_t> words(40, 0);
  words[4] = 9;
  for (const auto& [name, filters, stored] : {std::tuple<std::string, std::vector<std::uint8_t>, std::vector<std::uint8_t>>{"plain", {0}, words},
                                               {"lz4", {1, 4, 2, 0, 0}, lz4_chunk(words.data(), 40, 40)},
                                               {"bitshuffle", {1, 5, 2, 0, 2}, bitshuffle_chunk(words.data(), 40, 2, 64, true)}}) {
    std::vector<std::uint8_t> bytes{3, 0, 3, 4};
    bytes.insert(bytes.end(), filters.begin(), filters.end());
    bytes.push_back(1);
    for (int i = 0; i < 3; ++i) {
      bytes.push_back(0);
      bytes.push_back(static_cast<std::uint8_t>(stored.size()));
      bytes.insert(bytes.end(), stored.begin(), stored.end());
    }
    save(folder, "hdf5", name, bytes, nullptr, 0);
  }
}

void map_seeds(const std::filesystem::path& folder) {
  std::vector<std::uint8_t> map{1};
  for (int m = 0; m < 3; ++m) {
    for (int p = 0; p < 20; ++p) map.push_back(static_cast<std::uint8_t>(p % 3));
    if (m < 2) map.push_back(1);
  }
  save(folder, "qmap", "three-bins", map, nullptr, 0);
  std::vector<std::uint8_t> job{0};
  const std::uint8_t numbers[] = {1, 10, 4, 1, 1, 5, 0, 0, 0, 0, 0, 1, 1};
  for (const std::uint8_t number : numbers) job.insert(job.end(), {1, number});
  for (int text = 0; text < 6; ++text) job.insert(job.end(), {0xE2, '/', 'x'});
  for (const std::uint8_t number : {5, 4, 1}) job.insert(job.end(), {1, number});
  job.insert(job.end(), map.begin(), map.end());
  save(folder, "job", "small", job, nullptr, 0);
}

/// Of a byte for each step and what it takes (live.cpp, growing.cpp).
void stream_seeds(const std::filesystem::path& folder) {
  const auto add = [](std::vector<std::uint8_t>& to, const Bytes& bytes) {
    for (const std::byte byte : bytes) to.push_back(static_cast<std::uint8_t>(byte));
  };
  std::vector<std::uint8_t> steps{0, 24, 0, 0, 9, 0};  // a block of three events in 9 frames from the newest on
  Bytes words;
  for (std::uint64_t frame : {0, 2, 8}) append(words, frame << 44 | (frame + 3) << 16 | 2);
  add(steps, words);
  std::vector<std::uint8_t> image(40, 0);
  image[4] = image[6] = 9;
  const auto lz4 = lz4_chunk(image.data(), image.size(), 40);
  const auto shuffled = bitshuffle_chunk(image.data(), image.size(), 2, 64, true);
  for (const auto& [packing, stored] : {std::pair<unsigned, std::vector<std::uint8_t>>{0, image}, {2, lz4}, {3, shuffled}}) {
    steps.insert(steps.end(), {static_cast<std::uint8_t>(1 + 64 * packing + (6 - 64 * packing % 6) % 6), static_cast<std::uint8_t>(stored.size()), 2, 2});
    steps.insert(steps.end(), stored.begin(), stored.end());
  }
  steps.insert(steps.end(), {3, 5, 4, 7, 5, 0});  // a gap, frames without photons, a look
  save(folder, "live", "blocks-and-images", steps, nullptr, 0);
  words.clear();
  for (std::uint64_t frame = 1; frame < 20; ++frame) append(words, rigaku_word(frame, frame % 20, 1));
  save(folder, "live", "rigaku", {2, static_cast<std::uint8_t>(words.size())}, words.data(), words.size());

  Bytes dense;
  for (int frame = 0; frame < 3; ++frame) append_imm(dense, false, {}, std::vector<std::int16_t>(20, 3), 0.1);
  for (const auto& [name, bytes] : {std::pair<std::string, Bytes>{"sparse", sparse_imm()}, {"dense", dense}}) {
    std::vector<std::uint8_t> file{4};
    for (int twice = 0; twice < 2; ++twice) {
      for (std::size_t at = 0; at < bytes.size(); at += 16 * 121) {  // choice 121 takes as many, the look behind it one byte
        file.push_back(121);
        add(file, Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(bytes.size(), at + 16 * 121))));
        if (at + 16 * 121 < bytes.size()) file.push_back(1);
      }
    }
    save(folder, "growing", "imm-" + name, file, nullptr, 0);
  }
  std::vector<std::uint8_t> file{1, 0, 0, 0, 1};  // one frame a chunk, no filter, u16
  for (std::uint8_t frame = 0; frame < 4; ++frame) {
    file.insert(file.end(), {0, 1, frame, 40});
    file.insert(file.end(), image.begin(), image.end());
    file.push_back(1);
  }
  file.insert(file.end(), {7, 0, 0, 0, 1});
  save(folder, "growing", "hdf5", file, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds FOLDER\n";
    return 2;
  }
  event_seeds(argv[1]);
  filter_seeds(argv[1]);
  map_seeds(argv[1]);
  stream_seeds(argv[1]);
}

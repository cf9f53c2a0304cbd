// A file in memory with a path: HDF5 opens files by name. What HDF5's own library makes of a damaged file is not ours to
// fuzz, so the targets build sound files whose values, shapes and stored chunks come from the input.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "h5/h5.hpp"
#include "input.hpp"

namespace xpcs::fuzzing {

/// An empty file in memory. It has a name: HDF5 1.10 creates none behind a link such as /proc/self/fd/3. A crash leaves it there.
class MemoryFile {
 public:
  MemoryFile() {
    static std::uint64_t made = 0;
    path_ = "/dev/shm/xpcs-fuzz-" + std::to_string(::getpid()) + "-" + std::to_string(++made);
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) std::abort();
    ::close(fd);
  }
  ~MemoryFile() { ::unlink(path_.c_str()); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline h5::Handle create(const MemoryFile& file) {
  h5::initialize();
  h5::Handle made(H5Fcreate(file.path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  if (!made.ok()) std::abort();  // a target without a file would find nothing
  return made;
}

/// Writes a dataset whose type, shape and values come from the input; absent for some choices.
inline void write_dataset(const h5::Handle& file, const std::string& name, Input& input, const std::vector<hsize_t>& usual) {
  const std::uint8_t choice = input.choice();
  if (choice == 255) return;
  const hid_t types[] = {H5T_STD_I32LE, H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_I64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_STD_I32BE};
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  if ((choice & 0xF0) == 0xE0) {  // a string where a number may be expected, and the other way round
    const h5::Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
    const auto bytes = input.take(choice & 0xF);
    H5Tset_size(text.id(), bytes.size() + 1);
    std::string value(bytes.begin(), bytes.end());
    const h5::Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const h5::Handle data(H5Dcreate2(file.id(), name.c_str(), text.id(), space.id(), links.id(), H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
    H5Dwrite(data.id(), text.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.c_str());
    return;
  }
  std::vector<hsize_t> shape = usual;
  if ((choice & 0x40) != 0) {
    shape.assign(input.choice() % 4, 1);
    for (auto& extent : shape) extent = input.choice() % 9;
  }
  hsize_t n = 1;
  for (const hsize_t extent : shape) n *= extent;
  const hid_t type = types[choice & 7];
  std::vector<std::uint8_t> values = input.take(n * H5Tget_size(type));
  values.resize(std::max<std::size_t>(n * H5Tget_size(type), 1), 1);
  const h5::Handle space(shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const h5::Handle data(H5Dcreate2(file.id(), name.c_str(), type, space.id(), links.id(), H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (n > 0) H5Dwrite(data.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

}  // namespace xpcs::fuzzing

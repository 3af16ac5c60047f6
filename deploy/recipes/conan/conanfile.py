"""A recipe for Conan 2: conan create deploy/recipes/conan"""

import os

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy


class RoostpoolConan(ConanFile):
    name = "roostpool"
    version = "0.1.0"
    description = "Bounded connection pools for sensor nodes"
    license = "MIT"
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_mysql": [True, False]}
    default_options = {"with_mysql": True}

    def export_sources(self):
        # The checkout that this recipe lies in.
        root = os.path.join(self.recipe_folder, "..", "..", "..")
        for pattern in ("CMakeLists.txt", "LICENSE", "VERSION", "include/*", "src/*", "platform/*", "deploy/*", "tests/examples/*"):
            copy(self, pattern, root, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def validate(self):
        check_min_cppstd(self, 20)

    def requirements(self):
        self.requires("abseil/[>=20220623 <20240000]", transitive_headers=True)
        self.requires("sqlite3/[>=3.40 <4]")
        self.requires("libpq/[>=14 <17]")
        if self.options.with_mysql:
            # For its headers: the library is loaded at run time.
            self.requires("mariadb-connector-c/[>=3.3 <4]")

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for option in ("ROOST_BUILD_TESTS", "ROOST_BUILD_TOOLS", "ROOST_WERROR"):
            toolchain.cache_variables[option] = False
        toolchain.cache_variables["ROOST_INSTALL"] = True
        toolchain.cache_variables["ROOST_MYSQL"] = bool(self.options.with_mysql)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()

    def package_info(self):
        # The package's own CMake files have the targets.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs.append(os.path.join("lib", "cmake", "roostpool"))
